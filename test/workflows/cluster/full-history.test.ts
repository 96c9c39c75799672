/** The length of a history is limited, after which the server accepts no message: a cluster continues as new before, also during a run. */
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { Harness } from '../harness';

const EVENTS = 80;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, { 'limit.historyCount.suggestContinueAsNew': EVENTS });
});

afterAll(() => harness.stop());

describe('src/workflows/cluster/cluster with a full history', () => {
  it('suspends its run after the node in progress, and resumes in a new history', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(clusterSpec(undefined, {}, cluster.name));
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      const { runId } = await cluster.handle.describe();
      const run = await cluster.runId(1);
      for (let sent = 0; sent < EVENTS; sent += 1) await cluster.handle.signal('resume', { by: 'a loop' });
      await cluster.untilRunSignalled(1, 'restrict');
      // No pause was requested, and the node in progress is finished.
      expect(await cluster.status()).toMatchObject({ state: 'running', paused: null });
      expect((await cluster.handle.describe()).runId).toBe(runId);
      release();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
      const parts = async (): Promise<number> => {
        const { count } = await cluster.env.client.workflow.count(`WorkflowId = "${run}"`);
        return count;
      };
      await waitFor(async () => (await parts()) === 2, { what: 'both parts of the run' });
    }));
});
