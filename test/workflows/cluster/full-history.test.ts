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
  it('goes on in a new history while a node is in progress', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(clusterSpec(undefined, {}, cluster.name));
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      const { runId } = await cluster.handle.describe();
      for (let sent = 0; sent < EVENTS; sent += 1) await cluster.handle.signal('resume', { by: 'a loop' });
      await waitFor(async () => (await cluster.handle.describe()).runId !== runId, { what: 'a new history' });
      // No pause was requested, and the node in progress goes on.
      const meanwhile = await cluster.until('the run goes on', ({ state }) => state === 'running');
      expect(meanwhile).toMatchObject({ paused: null, run: { number: 1, done: 0 } });
      release();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
    }));
});
