/** When the server received a signal, which a workflow is not told. */
import { activityInfo, getClient } from '@temporalio/activity';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { temporal } from '@temporalio/proto';
import { canonicalJson } from '../domain/shared/canonical-json';

/** Below the timeout of the local activity that asks. */
const DEADLINE_MS = 5_000;

const PAGE_EVENTS = 200;
/** A signal of the present workflow task is among the last events. */
const MAX_PAGES = 10;

type Event = temporal.api.history.v1.IHistoryEvent;

/**
 * When the server received the signal `name` with this content, in epoch milliseconds, according to the history of the calling
 * workflow; the first time, if it was sent several times. Null: it is not among the last events.
 */
export async function signalReceivedAt(name: string, message: unknown): Promise<number | null> {
  const { workflowExecution, workflowNamespace } = activityInfo();
  if (workflowExecution === undefined) return null;
  const client = getClient();
  const wanted = canonicalJson(message);
  const namespace = workflowNamespace ?? 'default';
  return client.withDeadline(Date.now() + DEADLINE_MS, async () => {
    let nextPageToken: Uint8Array = new Uint8Array();
    let first: number | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer = await client.workflowService.getWorkflowExecutionHistoryReverse({
        ...{ namespace, execution: workflowExecution, maximumPageSize: PAGE_EVENTS, nextPageToken },
      });
      for (const event of answer.history?.events ?? []) {
        const signal = event.workflowExecutionSignaledEventAttributes;
        if (signal?.signalName !== name) continue;
        const [value] = await decodeArrayFromPayloads(
          client.options.loadedDataConverter,
          signal.input?.payloads ?? [],
        ).catch(() => []);
        if (canonicalJson(value) === wanted) first = timeOf(event);
      }
      nextPageToken = answer.nextPageToken ?? new Uint8Array();
      if (nextPageToken.length === 0) break;
    }
    return first;
  });
}

function timeOf({ eventTime }: Event): number {
  return Number(eventTime?.seconds ?? 0) * 1_000 + Math.floor((eventTime?.nanos ?? 0) / 1e6);
}
