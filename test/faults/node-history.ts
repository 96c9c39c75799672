/** Progress of a node patch, by its history in Temporal. */
import type { Client } from '@temporalio/client';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import type { LabNode } from '../support/local-stack';

/** Location of the history. */
export interface Followed {
  cluster: string;
  node: LabNode;
  client: Client;
}

type ActivityName =
  | ('preflight' | 'apply' | 'readFacts' | 'reboot' | 'repair')
  | ('drainPreview' | 'cordon' | 'drain' | 'awaitHealthy' | 'uncordon');

interface Activities {
  scheduled: Set<string>;
  begun: Set<string>;
  completed: Set<string>;
}

export async function scheduled(followed: Followed, name: ActivityName): Promise<boolean> {
  return (await activities(followed))?.scheduled.has(name) === true;
}

export async function begun(followed: Followed, name: ActivityName): Promise<boolean> {
  return (await activities(followed))?.begun.has(name) === true;
}

export async function completed(followed: Followed, name: ActivityName): Promise<boolean> {
  return (await activities(followed))?.completed.has(name) === true;
}

/** The activities of the node patch so far; null while there is none, or while the server does not answer. */
export async function activities({ client, cluster, node }: Followed): Promise<Activities | null> {
  try {
    const handle = client.workflow.getHandle(nodeWorkflowId(cluster, node.name));
    const { raw } = await handle.describe();
    const history = await handle.fetchHistory();
    const seen: Activities = { scheduled: new Set(), begun: new Set(), completed: new Set() };
    const names = new Map<string, string>();
    for (const event of history.events ?? []) {
      const name = event.activityTaskScheduledEventAttributes?.activityType?.name;
      if (name !== undefined && name !== null) {
        names.set(String(event.eventId), name);
        seen.scheduled.add(name);
      }
      const ended = names.get(String(event.activityTaskCompletedEventAttributes?.scheduledEventId));
      if (ended !== undefined) {
        seen.begun.add(ended);
        seen.completed.add(ended);
      }
    }
    for (const pending of raw.pendingActivities ?? []) {
      // A started activity has an attempt on a worker.
      if (pending.lastStartedTime !== null && pending.lastStartedTime !== undefined) {
        seen.begun.add(pending.activityType?.name ?? '');
      }
    }
    return seen;
  } catch {
    return null;
  }
}
