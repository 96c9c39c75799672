import { findSharedMachines, readAllMachines } from '../../src/client/machines';
import type { MachinesRead } from '../../src/client/machines';
import type { TemporalCalls } from '../../src/client/temporal-calls';
import { nodesQuery, specQuery } from '../../src/contract/messages';
import { clusterSpec, nodeSpec } from '../support/builders';

/** Clusters of one node each, all of them at the same address; every query is noted. */
function server(count: number): { calls: TemporalCalls; queried: string[]; specs: ReturnType<typeof clusterSpec>[] } {
  const specs = Array.from({ length: count }, (_, at) => ({
    ...clusterSpec([], {}, `c-${at}`),
    nodes: [nodeSpec(`w-${at}`, { host: '10.0.0.1' })],
  }));
  const queried: string[] = [];
  const query = (name: string) => (definition: unknown) => {
    queried.push(name);
    if (definition === specQuery) return Promise.resolve(specs.find((one) => one.name === name));
    expect(definition).toBe(nodesQuery);
    return Promise.resolve({ nodes: [], next: null });
  };
  const list = () => specs.map(({ name }) => ({ workflowId: `cluster/${name}` }));
  const calls = {
    session: { client: { workflow: { list } } },
    call: (_: unknown, body: () => unknown) => body(),
    query: (name: string, body: (handle: unknown) => unknown) => body({ query: query(name) }),
  };
  return { calls: calls as unknown as TemporalCalls, queried, specs };
}

describe('src/client/machines', () => {
  test('clusters that are diagnosed together read all others once', async () => {
    const count = 20;
    const { calls, queried, specs } = server(count);
    let reading: Promise<MachinesRead> | null = null;
    const readOthers = () => (reading ??= readAllMachines(calls));
    const found = await Promise.all(specs.map((spec) => findSharedMachines(calls, spec, readOthers)));
    for (const findings of found)
      expect(findings).toEqual([expect.objectContaining({ severity: 'warning', check: 'nodes' })]);
    // Spec and nodes of each cluster once, and for its own diagnosis the nodes again.
    expect(queried).toHaveLength(3 * count);
  });

  test('says how many other clusters were not compared', async () => {
    const { calls, specs } = server(203);
    const findings = await findSharedMachines(calls, specs[0] ?? clusterSpec(), () => readAllMachines(calls));
    expect(findings.at(-1)?.message).toBe(
      'its machines were compared with those of 199 other clusters, and not with those of 3 more',
    );
    const unknown = await findSharedMachines(calls, clusterSpec(['w-1'], {}, 'new'), () => readAllMachines(calls));
    expect(unknown.at(-1)?.message).toContain('those of 200 other clusters, and not with those of 3 more');
  });
});
