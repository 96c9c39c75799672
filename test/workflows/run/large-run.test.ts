/** A small version of `make bench-run`: hundreds of nodes, with a lost one, without a worker for a while, over many run workflows. */
import { clusterSpec, rollout } from '../../support/builders';
import { nodesOf } from '../../support/members';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

const NODES = 200;
const CONCURRENCY = 40;
/** The last one: nobody holds it before the second worker has begun. */
const LOST = `w-${NODES}`;
const MAX_EVENTS = 10_000;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real', null, { 'limit.historyCount.suggestContinueAsNew': 400 });
});

afterAll(() => harness.stop());

/** The activities of the nodes, which note how many nodes are between their first look and their end. */
function counted(cluster: TestCluster): { activities: object; most: () => number } {
  const { preflight, apply } = cluster.nodes.activities();
  const { recordAudit } = cluster.nodes.clusterActivities();
  const busy = new Set<string>();
  let most = 0;
  const activities = {
    preflight: (input: Parameters<typeof preflight>[0]) => {
      busy.add(input.target.name);
      most = Math.max(most, busy.size);
      return preflight(input);
    },
    apply: async (input: Parameters<typeof apply>[0]) => {
      const outcome = await apply(input);
      if (outcome.state === 'unreachable') busy.delete(input.target.name);
      return outcome;
    },
    recordAudit: (record: Parameters<typeof recordAudit>[0]) => {
      busy.delete('node' in record.result ? record.result.node : '');
      return recordAudit(record);
    },
  };
  return { activities, most: () => most };
}

describe('src/workflows/run: a run of hundreds of nodes', () => {
  it('patches every node once, within its concurrency, however often the run workflow hands over', async () => {
    const names = Array.from({ length: NODES }, (_, at) => `w-${at + 1}`);
    const cluster = harness.newCluster();
    const { activities, most } = counted(cluster);
    const back = cluster.nodes.hold(LOST, 'apply');
    cluster.nodes.node(LOST).unreachableIn = 'apply';
    const limits = rollout({ concurrency: CONCURRENCY, maxFailures: '50%' });
    let runId = '';

    await harness.withWorkerFor(
      cluster,
      async () => {
        await cluster.apply(clusterSpec(names, { rollout: limits }, cluster.name));
        await cluster.handle.signal('patchNow');
        await cluster.until('a part is over', ({ run }) => (run?.done ?? 0) >= NODES / 4);
        runId = await cluster.runId(1);
      },
      activities,
    );
    await harness.withWorkerFor(
      cluster,
      async () => {
        await cluster.until('only the lost node is left', ({ run }) => run?.done === NODES - 1);
        back();
        const { lastRun, nodes } = await cluster.untilIdle(1);
        expect(lastRun).toMatchObject({ outcome: 'succeeded', patched: NODES });
        expect(nodesOf(nodes).every(({ state }) => state === 'patched')).toBe(true);
      },
      activities,
    );

    expect(names.filter((name) => cluster.nodes.node(name).applies !== 1)).toEqual([]);
    expect(new Set(cluster.nodes.order).size).toBe(NODES);
    expect(most()).toBeLessThanOrEqual(CONCURRENCY);
    const { workflow } = cluster.env.client;
    const runs: number[] = [];
    for await (const { historyLength } of workflow.list({ query: `WorkflowId = "${runId}"` })) runs.push(historyLength);
    expect(runs.length).toBeGreaterThan(1);
    expect(Math.max(...runs)).toBeLessThan(MAX_EVENTS);
  });
});
