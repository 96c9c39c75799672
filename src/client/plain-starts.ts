/** Open workflows that were started without encryption, which wait at workers that require encryption. */
import type { temporal } from '@temporalio/proto';
import { WORKFLOW_TYPES } from '../contract/workflow-ids';
import { mapConcurrently } from '../domain/shared/map-concurrently';
import { keyIdOf } from '../encryption/codec';
import { orNull } from './not-found';
import type { TemporalCalls } from './temporal-calls';

type Execution = temporal.api.common.v1.IWorkflowExecution;

/** Those that live longer than a few minutes. */
const LONG_LIVED = [
  WORKFLOW_TYPES.cluster,
  WORKFLOW_TYPES.run,
  WORKFLOW_TYPES.patchNode,
  WORKFLOW_TYPES.updateNodegroup,
];

/** Reads of one event each. */
const MAX_READS = 1_000;
const READS_AT_ONCE = 16;

export interface PlainStarts {
  /** Workflow ids. */
  plain: string[];
  /** Number of workflows whose start was read, and of all. */
  read: number;
  open: number;
}

/** `clusters`: of these only; null: of all. */
export async function findPlainStarts(calls: TemporalCalls, clusters: readonly string[] | null): Promise<PlainStarts> {
  const open = (await readOpen(calls)).filter(({ workflowId }) => isOf(workflowId ?? '', clusters));
  const read = open.slice(0, MAX_READS);
  const isPlain = await mapConcurrently(read, READS_AT_ONCE, (execution) => wasPlain(calls, execution));
  const plain = read.flatMap(({ workflowId }, at) => (isPlain[at] === true ? (workflowId ?? '') : []));
  return { plain, read: read.length, open: open.length };
}

function isOf(workflowId: string, clusters: readonly string[] | null): boolean {
  return clusters === null || clusters.includes(workflowId.split('/')[1] ?? '');
}

async function readOpen(calls: TemporalCalls): Promise<Execution[]> {
  const { client, namespace } = calls.session;
  const types = LONG_LIVED.map((type) => `"${type}"`).join(', ');
  const query = `WorkflowType IN (${types}) AND ExecutionStatus = "Running"`;
  const open: Execution[] = [];
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page = await calls.call(null, () =>
      client.workflowService.listWorkflowExecutions({ namespace, query, nextPageToken }),
    );
    open.push(...page.executions.flatMap(({ execution }) => execution ?? []));
    nextPageToken = page.nextPageToken;
  } while (nextPageToken.length > 0);
  return open;
}

/** False too when the workflow is gone. */
async function wasPlain(calls: TemporalCalls, execution: Execution): Promise<boolean> {
  const { client, namespace } = calls.session;
  const request = { namespace, execution, maximumPageSize: 1 };
  const answer = await calls.call(null, () => orNull(client.workflowService.getWorkflowExecutionHistory(request)));
  const started = answer?.history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const payloads = started?.input?.payloads ?? [];
  return Boolean(started) && (payloads.length === 0 || payloads.some((one) => keyIdOf(one) === null));
}
