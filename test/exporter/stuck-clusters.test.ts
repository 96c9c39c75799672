/** Stuck clusters as the exporter finds them, with a server in memory. */
import { temporal } from '@temporalio/proto';
import type { TemporalSession } from '../../src/client/connection';
import { StuckClusters } from '../../src/exporter/stuck-clusters';

const { EventType, WorkflowExecutionStatus } = temporal.api.enums.v1;
const MINUTE_MS = 60_000;
const INVALID_ARGUMENT = 3;
const UNAVAILABLE = 14;

function grpcError(code: number): Error {
  return Object.assign(new Error(`code ${code}`), { code, details: '', metadata: {} });
}

class Server {
  /** Null: a server before 1.30. */
  reported: string[] | null = null;
  readonly failing = new Set<string>();
  readonly silent = new Set<string>();
  readonly looks: string[] = [];

  readonly session = {
    namespace: 'default',
    taskQueue: 'ospatch',
    client: {
      options: { loadedDataConverter: { payloadCodecs: [] } },
      withDeadline: (_: number, call: () => Promise<unknown>) => call(),
      workflowService: {
        listWorkflowExecutions: () =>
          this.reported === null
            ? Promise.reject(grpcError(INVALID_ARGUMENT))
            : Promise.resolve({
                executions: this.reported.map((name) => ({ execution: { workflowId: `cluster/${name}` } })),
              }),
        describeWorkflowExecution: ({ execution }: { execution: { workflowId: string } }) => {
          const name = execution.workflowId.replace('cluster/', '');
          this.looks.push(name);
          if (this.silent.has(name)) return Promise.reject(grpcError(UNAVAILABLE));
          const status = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
          return Promise.resolve({
            workflowExecutionInfo: { execution, status, type: { name: 'cluster' }, taskQueue: 'ospatch' },
            pendingWorkflowTask: { attempt: this.failing.has(name) ? 7 : 1 },
          });
        },
        getWorkflowExecutionHistoryReverse: () =>
          Promise.resolve({
            history: {
              events: [
                { eventType: EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, workflowTaskTimedOutEventAttributes: {} },
              ],
            },
          }),
      },
    },
  } as unknown as TemporalSession;
}

describe('src/exporter/stuck-clusters', () => {
  let server: Server;
  let stuck: StuckClusters;
  let nowMs: number;

  beforeEach(() => {
    server = new Server();
    stuck = new StuckClusters(server.session);
    nowMs = 0;
  });

  /** What a reading finds after the looks of `minutes` more. */
  async function after(minutes: number, ...clusters: string[]): Promise<string[]> {
    await stuck.read();
    nowMs += minutes * MINUTE_MS;
    await stuck.look(clusters, nowMs);
    return [...(await stuck.read())];
  }

  it('takes what the server reports, and looks at no cluster then', async () => {
    server.reported = ['a'];
    expect(await after(1, 'a', 'b')).toEqual(['a']);
    expect(server.looks).toEqual([]);
  });

  it('looks at each cluster on a server that reports nothing, once a minute', async () => {
    server.failing.add('b');
    expect(await after(0, 'a', 'b')).toEqual(['b']);
    expect(await after(0.5, 'a', 'b')).toEqual(['b']);
    expect(server.looks).toEqual(['a', 'b']);
    server.failing.clear();
    expect(await after(1, 'a', 'b')).toEqual([]);
  });

  it('keeps what it knows of a cluster that cannot be looked at, but not of one that is gone', async () => {
    server.failing.add('a').add('b');
    expect(await after(0, 'a', 'b')).toEqual(['a', 'b']);
    server.silent.add('a');
    expect(await after(1, 'a')).toEqual(['a']);
  });

  it('comes to every cluster of thousands, 500 at a time', async () => {
    const names = Array.from({ length: 1_200 }, (_, at) => `c-${at}`);
    server.failing.add('c-1100');
    expect(await after(0, ...names)).toEqual([]);
    expect(server.looks).toHaveLength(500);
    expect(await after(1, ...names)).toEqual([]);
    expect(await after(1, ...names)).toEqual(['c-1100']);
    expect(new Set(server.looks).size).toBe(1_200);
    expect(await after(1, ...names)).toEqual(['c-1100']);
  });
});
