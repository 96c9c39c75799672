import { getClient, heartbeat, sleep } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { nextStarts } from '../domain/schedule/next-starts';
import { formatInstant } from '../domain/schedule/zone';
import type { AuditRecord, ClusterActivities, NextWindowsInput } from '../contract/activities/cluster';

const { INDEXED_VALUE_TYPE_KEYWORD: KEYWORD, INDEXED_VALUE_TYPE_DATETIME: DATETIME } =
  temporal.api.enums.v1.IndexedValueType;

/** How often a workflow that is waited for is looked at. */
const CLOSED_POLL_MS = 2_000;

/** Temporal's numbers of the types: a value of another type would stop the workflow that writes it. */
const SEARCH_ATTRIBUTE_TYPES = { PatchCluster: KEYWORD, PatchState: KEYWORD, PatchNextWindow: DATETIME };

/** Where audit lines go: one JSON object each. */
export interface AuditLog {
  info(fields: Record<string, unknown>, message: string): void;
}

export function createClusterActivities(audit: AuditLog): ClusterActivities {
  return {
    nextWindows: (input: NextWindowsInput) => Promise.resolve(nextWindows(input)),
    searchAttributesRegistered,
    recordAudit: (record: AuditRecord) => {
      audit.info(
        { audit: 'node-patch', cluster: record.cluster, trigger: record.trigger, ...record.result },
        'node patch',
      );
      return Promise.resolve();
    },
    awaitWorkflowClosed,
  };
}

function nextWindows(input: NextWindowsInput): string[] {
  const { schedule, timeZone, after, count } = input;
  return nextStarts(schedule, timeZone, Date.parse(after), count).map((start) => {
    const { iso } = formatInstant(start, timeZone);
    return timeZone === 'UTC' ? iso.replace('+00:00', 'Z') : iso;
  });
}

async function searchAttributesRegistered(): Promise<boolean> {
  const client = getClient();
  try {
    const { customAttributes } = await client.connection.operatorService.listSearchAttributes({
      namespace: client.options.namespace,
    });
    return Object.entries(SEARCH_ATTRIBUTE_TYPES).every(([name, type]) => customAttributes[name] === type);
  } catch {
    // Servers and accounts exist that do not let us ask; nothing depends on the answer being yes.
    return false;
  }
}

async function awaitWorkflowClosed(workflowId: string): Promise<void> {
  const handle = getClient().workflow.getHandle(workflowId);
  for (;;) {
    heartbeat();
    try {
      const { status } = await handle.describe();
      if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return;
      throw error;
    }
    await sleep(CLOSED_POLL_MS);
  }
}
