/** The fleet as a server reports it: its answers are those of Temporal's API, the summaries those of clusters. */
import { defaultDataConverter, defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { readFleet } from '../../src/client/fleet';
import { TemporalCalls } from '../../src/client/temporal-calls';
import type { TemporalSession } from '../../src/client/connection';
import { newClusterState } from '../../src/domain/cluster/state';
import type { ClusterState } from '../../src/domain/cluster/state';
import { clusterSummary } from '../../src/domain/cluster/status-pages';
import { clusterSpec } from '../support/builders';

const T0 = '2027-01-04T11:00:00.000Z';
const NOW = Date.parse(T0);
const { WorkflowExecutionStatus: Status, EventType } = temporal.api.enums.v1;

interface Served {
  status?: number;
  memo?: Record<string, unknown>;
  encrypted?: boolean;
  /** What the query `summary` returns. */
  answer?: unknown;
  /** Attempt of the workflow task, which has failed before when it is above 1. */
  attempt?: number;
}

/** A cluster whose worker answers. */
function answering(name: string, change: (state: ClusterState) => void = () => undefined): Served {
  const state = newClusterState(clusterSpec(['w-1', 'w-2'], {}, name), null, T0);
  change(state);
  const answer = clusterSummary(state, 'no run starts', NOW);
  return { memo: { type: 'self-managed', state: answer.state }, answer };
}

function failed(state: ClusterState): void {
  const [row] = state.nodes;
  if (row !== undefined)
    Object.assign(row, { state: 'failed', lastError: { type: 'Ssh', message: 'no route to host' } });
}

/** A session with a server that has these clusters, and with workers on these task queues. */
function serving(clusters: Record<string, Served>, queues = ['ospatch']) {
  let open = 0;
  let mostAtOnce = 0;
  const query = jest.fn(async (name: string): Promise<unknown> => {
    open += 1;
    mostAtOnce = Math.max(mostAtOnce, open);
    await new Promise((resolve) => setImmediate(resolve));
    open -= 1;
    return clusters[name]?.answer;
  });
  const payload = (value: unknown, encrypted = false) => ({
    ...defaultPayloadConverter.toPayload(value),
    ...(encrypted ? { metadata: { encoding: Buffer.from('binary/encrypted') } } : {}),
  });
  const info = (name: string) => {
    const { status = Status.WORKFLOW_EXECUTION_STATUS_RUNNING, memo = {}, encrypted } = clusters[name] ?? {};
    const fields = Object.fromEntries(Object.entries(memo).map(([key, value]) => [key, payload(value, encrypted)]));
    return {
      ...{ status, memo: { fields }, taskQueue: 'ospatch', type: { name: 'cluster' } },
      ...{ execution: { workflowId: `cluster/${name}`, runId: 'first' }, startTime: { seconds: NOW / 1000 } },
    };
  };
  const nameOf = (execution: { workflowId: string }) => execution.workflowId.replace('cluster/', '');
  const service = {
    listWorkflowExecutions: ({ query: wanted }: { query: string }) => {
      const isOpen = wanted.includes('"Running"');
      const executions = Object.keys(clusters)
        .map(info)
        .filter(({ status }) =>
          isOpen
            ? status === Status.WORKFLOW_EXECUTION_STATUS_RUNNING
            : wanted.includes('"Terminated"') && status === Status.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        );
      return Promise.resolve({ executions });
    },
    describeWorkflowExecution: ({ execution }: { execution: { workflowId: string } }) => {
      const { attempt = 1 } = clusters[nameOf(execution)] ?? {};
      return Promise.resolve({ workflowExecutionInfo: info(nameOf(execution)), pendingWorkflowTask: { attempt } });
    },
    getWorkflowExecutionHistoryReverse: ({ execution }: { execution: { workflowId: string } }) => {
      const isEnded = clusters[nameOf(execution)]?.status !== undefined;
      const failure = { message: 'cannot read properties of undefined' };
      return Promise.resolve({
        history: {
          events: isEnded
            ? [{ workflowExecutionTerminatedEventAttributes: { reason: 'by mistake' } }]
            : [
                {
                  eventType: EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
                  workflowTaskFailedEventAttributes: { failure },
                },
              ],
        },
      });
    },
    getWorkflowExecutionHistory: () => {
      const started = { input: { payloads: [payload({ state: {} })] } };
      return Promise.resolve({ history: { events: [{ workflowExecutionStartedEventAttributes: started }] } });
    },
    describeTaskQueue: ({ taskQueue }: { taskQueue: { name: string } }) =>
      Promise.resolve({
        pollers: queues.includes(taskQueue.name) ? [{ lastAccessTime: { seconds: Date.now() / 1000 } }] : [],
      }),
  };
  const client = {
    options: { loadedDataConverter: { ...defaultDataConverter, failureConverter: defaultFailureConverter } },
    withDeadline: (_deadline: number, body: () => Promise<unknown>) => body(),
    withAbortSignal: (_signal: AbortSignal, body: () => Promise<unknown>) => body(),
    workflow: { getHandle: (workflowId: string) => ({ query: () => query(nameOf({ workflowId })) }) },
    workflowService: service,
  };
  const session = { client, address: 'host:7233', namespace: 'default', taskQueue: 'ospatch', keyIds: [] };
  const calls = new TemporalCalls({ ...session, deadlineMs: 10_000 } as unknown as TemporalSession);
  return { service, read: () => readFleet(calls), query, mostAtOnce: () => mostAtOnce };
}

/** As the client of gRPC fails. */
function grpcError(code: number): Error {
  return Object.assign(new Error(`code ${code}`), { code, details: '', metadata: {} });
}

const shown = (fleet: Awaited<ReturnType<typeof readFleet>>) =>
  fleet.map(
    ({ cluster, severity, statusLines: [first] }) => `${severity} ${cluster}: ${first?.what}: ${first?.because}`,
  );

describe('src/client/fleet', () => {
  it('lists what every cluster needs, worst first and by name', async () => {
    const { read } = serving({
      zeta: answering('zeta', failed),
      idle: answering('idle'),
      alpha: answering('alpha', failed),
      paused: answering('paused', (state) => {
        state.paused = { at: T0, by: 'ann', reason: 'release day' };
      }),
    });
    const fleet = await read();
    expect(shown(fleet)).toEqual([
      expect.stringMatching(/^error alpha: w-1 failed: no route to host/),
      expect.stringMatching(/^error zeta: w-1 failed/),
      expect.stringMatching(/^warning paused: .*release day/),
      expect.stringMatching(/^ok idle: /),
    ]);
    expect(fleet[0]).toMatchObject({ type: 'self-managed', counts: { failed: 1 }, lastRun: null, nextWindow: null });
  });

  it('has a row for each cluster that cannot answer, be read or go on, with the next command', async () => {
    const { read, query } = serving({
      silent: { memo: { type: 'self-managed', state: 'idle' } },
      secret: { memo: { state: 'idle' }, encrypted: true },
      stuck: { memo: { state: 'idle' }, attempt: 7 },
      gone: { memo: { state: 'idle' }, status: Status.WORKFLOW_EXECUTION_STATUS_TERMINATED },
      fine: answering('fine'),
    });
    query.mockImplementation((name) =>
      name === 'silent' ? Promise.reject(grpcError(4)) : Promise.resolve(answering(name).answer),
    );
    const fleet = await read();
    expect(shown(fleet)).toEqual([
      'error gone: gone has ended: the workflow of cluster gone was terminated in Temporal: by mistake',
      'error secret: secret cannot be read: its key is not available here',
      expect.stringMatching(/^error silent: silent does not answer: no answer within 10 s/),
      expect.stringMatching(
        /^error stuck: stuck is stuck: its workflow code fails on the workers.*cannot read properties of undefined/,
      ),
      expect.stringMatching(/^ok fine: /),
    ]);
    // Nobody is left with a problem and without a next step.
    expect(fleet.filter(({ statusLines: [first] }) => first?.change.join('') === '')).toEqual([]);
    expect(query.mock.calls.map(([name]) => name).sort()).toEqual(['fine', 'silent']);
  });

  it('says which site of an idle cluster has no worker, before all else', async () => {
    const site = answering('site');
    const { read } = serving({ site: { ...site, memo: { ...site.memo, sites: ['site-a', 'site-b'] } } }, [
      ...['ospatch', 'site-a'],
    ]);
    const [row] = await read();
    expect(row).toMatchObject({ severity: 'error', state: 'idle' });
    expect(row?.statusLines[0]).toMatchObject({
      what: 'nodes of site cannot be reached',
      because: 'no worker polls the task queue site-b',
      change: ['ospatch worker --task-queue site-b'],
    });
    expect(row?.statusLines).toHaveLength(2);
  });

  it('asks 16 clusters at a time', async () => {
    const names = Array.from({ length: 40 }, (_, at) => `c-${at}`);
    const { read, query, mostAtOnce } = serving(Object.fromEntries(names.map((name) => [name, answering(name)])));
    expect(await read()).toHaveLength(40);
    expect(query).toHaveBeenCalledTimes(40);
    expect(mostAtOnce()).toBe(16);
  });

  it('fails when there is no server, and for a mistake in the program', async () => {
    const { read, query, service } = serving({ fine: answering('fine') });
    query.mockRejectedValue(new TypeError('a mistake in the program'));
    await expect(read()).rejects.toThrow('a mistake in the program');
    service.listWorkflowExecutions = () => Promise.reject(grpcError(14));
    await expect(read()).rejects.toMatchObject({ type: 'NoServer' });
  });

  it('is empty without clusters', async () => {
    await expect(serving({}).read()).resolves.toEqual([]);
  });
});
