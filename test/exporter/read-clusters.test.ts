/** What the exporter takes from the list of workflows, with a list in memory. */
import { defaultDataConverter } from '@temporalio/common';
import { encodeToPayloads } from '@temporalio/common/lib/internal-non-workflow';
import type { TemporalSession } from '../../src/client/connection';
import type { PublishedMetrics, PublishedRow } from '../../src/domain/cluster/published';
import { ClusterReader } from '../../src/exporter/read-clusters';

interface Listed {
  name: string;
  createdAt: string;
  taskQueue?: string;
  sites?: string[];
  /** Names of its nodes, of which it publishes the revision only. */
  nodes?: string[];
  status?: 'paused' | 'ended' | 'removed';
  /** Nobody answers its queries. */
  isSilent?: boolean;
  /** Its rows come one by one, each with the next of these revisions. */
  revisions?: string[];
  /** It has published nothing that can be read. */
  isUnreadable?: boolean;
}

/** Fills in for a namespace whose clusters are `clusters`. */
class Namespace {
  clusters: Listed[] = [];
  readonly polled: string[] = [];

  readonly session = {
    namespace: 'default',
    taskQueue: 'of-the-exporter',
    client: {
      options: { loadedDataConverter: defaultDataConverter },
      withDeadline: (_: number, call: () => Promise<unknown>) => call(),
      workflowService: {
        listWorkflowExecutions: async ({ query }: { query: string }) => ({ executions: await this.list(query) }),
        describeTaskQueue: ({ taskQueue }: { taskQueue: { name: string } }) => {
          this.polled.push(taskQueue.name);
          return Promise.resolve({ pollers: [] });
        },
      },
      workflow: {
        getHandle: (id: string) => ({
          query: (_: unknown, from: number) => {
            const one = this.clusters.find(({ name }) => id === `cluster/${name}`);
            if (one === undefined || one.isSilent === true) return Promise.reject(new Error('no worker'));
            const rows = (one.nodes ?? []).map((name) => [name, 0] as unknown as PublishedRow);
            const { revisions } = one;
            if (revisions === undefined)
              return Promise.resolve({ texts: [], rows, revision: one.createdAt, next: null });
            const next = from + 1 < rows.length ? from + 1 : null;
            return Promise.resolve({ texts: [], rows: rows.slice(from, from + 1), revision: revisions[from], next });
          },
        }),
      },
    },
  } as unknown as TemporalSession;

  private async list(query: string): Promise<object[]> {
    if (!query.includes('WorkflowType = "cluster"') || query.includes('Problems')) return [];
    const of = { Running: undefined, Paused: 'paused', Completed: 'removed', Failed: 'ended' } as const;
    const [, status = ''] = /"(Running|Paused|Completed|Failed)"/.exec(query) ?? [];
    const wanted = of[status as keyof typeof of];
    const found = this.clusters.filter(({ status }) => status === wanted);
    return Promise.all(found.map((one) => execution(one)));
  }
}

async function execution(one: Listed): Promise<object> {
  const { name, createdAt, taskQueue = 'ospatch', sites, nodes = [], isUnreadable = false } = one;
  const metrics: PublishedMetrics = {
    ...{ v: 1, createdAt, state: 'idle', ready: true, windows: [], states: { unknown: nodes.length } },
    ...{ revision: createdAt, ...(sites && { sites }) },
  };
  const [payload] = (await encodeToPayloads(defaultDataConverter, isUnreadable ? {} : metrics)) ?? [];
  return { execution: { workflowId: `cluster/${name}` }, taskQueue, memo: { fields: { metrics: payload } } };
}

describe('src/exporter/read-clusters', () => {
  let namespace: Namespace;
  let reader: ClusterReader;
  let nowMs = Date.now();

  beforeEach(() => {
    namespace = new Namespace();
    reader = new ClusterReader(namespace.session);
  });

  async function nodesOf(...clusters: Listed[]): Promise<string[] | undefined> {
    namespace.clusters = clusters;
    await reader.read();
    await reader.readDetails((nowMs += 60_000));
    const { clusters: read } = await reader.read();
    return read[0]?.rows?.rows.map(([name]) => name);
  }

  it('shows no node that was removed or renamed', async () => {
    expect(await nodesOf({ name: 'prod', createdAt: '1', nodes: ['w-1', 'w-2'] })).toEqual(['w-1', 'w-2']);
    expect(await nodesOf({ name: 'prod', createdAt: '2', nodes: ['w-9'] })).toEqual(['w-9']);
    expect(await nodesOf({ name: 'other', createdAt: '2', nodes: ['w-8'] })).toEqual(['w-8']);
  });

  it('shows the rows that are known while no worker answers, but not those of another cluster of that name', async () => {
    const prod = { name: 'prod', createdAt: '1', nodes: ['w-1'] };
    expect(await nodesOf(prod)).toEqual(['w-1']);
    expect(await nodesOf({ ...prod, nodes: ['w-1', 'w-2'], isSilent: true })).toEqual(['w-1']);
    expect(await nodesOf({ ...prod, createdAt: '2', isSilent: true })).toBeUndefined();
  });

  it('does not mix rows of two states of a cluster', async () => {
    const prod = { name: 'prod', createdAt: '1', nodes: ['w-1', 'w-2'] };
    expect(await nodesOf({ ...prod, revisions: ['a', 'b'] })).toBeUndefined();
    expect(await nodesOf({ ...prod, revisions: ['b', 'b'] })).toEqual(['w-1', 'w-2']);
  });

  it('counts clusters that cannot be read, also those that have ended, but none that was removed', async () => {
    const one = { createdAt: '1', isUnreadable: true };
    namespace.clusters = [
      { ...one, name: 'a' },
      { ...one, name: 'b', status: 'ended' },
      { ...one, name: 'c', status: 'removed' },
      { ...one, name: 'd', status: 'ended' },
      { name: 'd', createdAt: '2' },
    ];
    const { clusters, unreadable } = await reader.read();
    expect([clusters.map(({ name }) => name), unreadable]).toEqual([['d'], 2]);
  });

  it('counts workers of the task queues that clusters need, and of no other', async () => {
    namespace.clusters = [
      { name: 'a', createdAt: '1', taskQueue: 'one', sites: ['edge', 'one'] },
      { name: 'b', createdAt: '1', taskQueue: 'two' },
      { name: 'c', createdAt: '1', taskQueue: 'three', sites: ['four'], status: 'ended' },
      { name: 'd', createdAt: '1', taskQueue: 'five', sites: ['six'], status: 'removed' },
    ];
    const { sites } = await reader.read();
    expect(sites.map(({ site }) => site).toSorted()).toEqual(['edge', 'one', 'two']);
    expect(namespace.polled.toSorted()).toEqual(['edge', 'one', 'two']);
  });

  it('shows that a cluster is stuck whose workflow somebody has paused in Temporal', async () => {
    namespace.clusters = [
      { name: 'a', createdAt: '1', status: 'paused' },
      { name: 'b', createdAt: '1' },
    ];
    const { clusters } = await reader.read();
    expect(clusters.map(({ name, fault }) => [name, fault])).toEqual([
      ['a', 'stuck'],
      ['b', null],
    ]);
  });

  it('shows of ended clusters those that were not removed, unless there is one of that name', async () => {
    namespace.clusters = [
      { name: 'a', createdAt: '1', status: 'ended' },
      { name: 'b', createdAt: '1', status: 'ended' },
      { name: 'b', createdAt: '2' },
      { name: 'c', createdAt: '1', status: 'removed' },
    ];
    const { clusters, removed } = await reader.read();
    expect(clusters.map(({ name, fault }) => [name, fault])).toEqual([
      ['a', 'ended'],
      ['b', null],
    ]);
    expect(removed.map(({ name }) => name)).toEqual(['c']);
  });
});
