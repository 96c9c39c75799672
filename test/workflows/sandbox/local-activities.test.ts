/** The answers of local activities replay where they were given, however many there are and whatever else happens. */
import type { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { workflowBundle } from '../../support/workflow-bundle';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

const MESSAGES = 40;
/** All of them take longer than a workflow task may. */
const ADMISSION_MS = 250;

/** The SDK prolongs a workflow task after 80 % of its limit of 10 s. */
const PROLONGED_AFTER_MS = 8_000;

/** In milliseconds. */
function taskDurations({ events }: temporal.api.history.v1.IHistory): number[] {
  let startedMs = 0;
  return (events ?? []).flatMap(
    ({ eventTime, workflowTaskStartedEventAttributes, workflowTaskCompletedEventAttributes }) => {
      const atMs = Number(eventTime?.seconds ?? 0) * 1_000 + Number(eventTime?.nanos ?? 0) / 1_000_000;
      if (workflowTaskStartedEventAttributes) startedMs = atMs;
      return workflowTaskCompletedEventAttributes ? [atMs - startedMs] : [];
    },
  );
}

describe('src/workflows/sandbox/local-activity-order', () => {
  it('spreads a flood of messages over several workflow tasks, which replay although a run goes on meanwhile', () =>
    harness.withWorker(
      async (cluster) => {
        const client = harness.env.client.workflow;
        await cluster.apply(clusterSpec(['w-1', 'w-2'], {}, cluster.name));
        await cluster.handle.signal('patchNow');
        await cluster.until('the run is in progress', ({ run }) => run !== null);
        const { runId } = await cluster.handle.describe();
        for (let at = 0; at < MESSAGES; at += 1)
          await cluster.handle.signal('lock', { node: 'w-2', reason: `no ${at}` });
        await cluster.untilIdle(1);
        const last = `no ${MESSAGES - 1}`;
        await waitFor(async () => JSON.stringify(await cluster.handle.query('events')).includes(last), { what: last });
        const history = await client.getHandle(cluster.handle.workflowId, runId).fetchHistory();
        const ofLocalActivities = (history.events ?? []).filter((event) => event.markerRecordedEventAttributes);
        expect(ofLocalActivities.length).toBeGreaterThan(MESSAGES);
        expect(Math.max(...taskDurations(history))).toBeLessThan(PROLONGED_AFTER_MS);
        await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, cluster.handle.workflowId);
      },
      {
        admit: () =>
          new Promise((resolve) => setTimeout(() => resolve({ ok: true, signers: false, chain: '' }), ADMISSION_MS)),
      },
    ));
});
