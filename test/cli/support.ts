/** An output, a cluster and a client for command tests, without a terminal and a server. */
import { PassThrough, Writable } from 'node:stream';
import pc from 'picocolors';
import type { ClusterClient } from '../../src/client/cluster-client';
import type { LiveStatus } from '../../src/client/live-status';
import type { LiveNode } from '../../src/domain/explain/explanation';
import type { CliContext } from '../../src/cli/io/context';
import type { RunSummary } from '../../src/domain/cluster/messages';
import type { NodeStatus } from '../../src/domain/node/status';
import { statusLines } from '../../src/domain/explain/status-line';
import { newNodeStatus } from '../../src/domain/node/status';

export const NOW = Date.parse('2026-11-23T12:00:00Z');
export const PLAIN = pc.createColors(false);

interface FakeTerminal {
  context: CliContext;
  out(): string;
  err(): string;
  exitCode(): number;
  stdin: PassThrough;
}

export function fakeTerminal(more: Partial<CliContext> = {}): FakeTerminal {
  const written = { out: '', err: '' };
  let code = 0;
  const sink = (to: 'out' | 'err') =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        written[to] += chunk.toString();
        done();
      },
    });
  const stdin = new PassThrough();
  const context: CliContext = {
    stdout: sink('out'),
    stderr: sink('err'),
    stdin,
    isTTY: false,
    isErrorTTY: false,
    env: {},
    now: () => NOW,
    cwd: '/',
    setExitCode: (value) => {
      code = value;
    },
    ...more,
  };
  return { context, out: () => written.out, err: () => written.err, exitCode: () => code, stdin };
}

export function node(name: string, more: Partial<NodeStatus> = {}): NodeStatus {
  return { ...newNodeStatus(name, 'worker', 'not-required'), ...more };
}

export function live(name: string, more: Partial<LiveNode> = {}): LiveNode {
  return {
    node: name,
    state: 'patching',
    startedAt: new Date(NOW - 65_000).toISOString(),
    step: null,
    done: null,
    total: null,
    waitingFor: null,
    waitingSince: null,
    waitingUntil: null,
    blocked: [],
    attempt: 1,
    lastFailure: null,
    ...more,
  };
}

export function status(nodes: NodeStatus[], more: Partial<LiveStatus> = {}): LiveStatus {
  const known: Omit<LiveStatus, 'statusLines'> = {
    cluster: 'demo',
    createdAt: '2026-11-01T00:00:00.000Z',
    type: 'self-managed',
    state: 'idle',
    ready: true,
    paused: null,
    timeZone: 'UTC',
    blackouts: [],
    nextWindow: null,
    scheduleError: null,
    loopError: null,
    reset: null,
    run: null,
    queued: [],
    lastRun: null,
    lastRejection: null,
    nodes,
    explanation: 'nothing to do',
    current: [],
    ...more,
  };
  return { ...known, statusLines: more.statusLines ?? statusLines(known, NOW) };
}

export function runStatus(number: number, more: Partial<NonNullable<LiveStatus['run']>> = {}): LiveStatus['run'] {
  const startedAt = new Date(NOW - 90_000).toISOString();
  return { number, trigger: 'on-demand', state: 'running', startedAt, done: 0, total: 2, ...more };
}

export function summary(number: number, more: Partial<RunSummary> = {}): RunSummary {
  return {
    number,
    trigger: 'on-demand',
    outcome: 'succeeded',
    by: 'me@host',
    reason: null,
    startedAt: '2026-11-23T11:58:00Z',
    endedAt: '2026-11-23T11:59:05Z',
    total: 2,
    patched: 2,
    upToDate: 0,
    restartPending: 0,
    rebootPending: 0,
    failed: 0,
    skipped: 0,
    cancelled: 0,
    notTried: 0,
    ...more,
  };
}

/** A client with the given answers; every other call fails. */
export function fakeClient(answers: { [K in keyof ClusterClient]?: unknown }): ClusterClient {
  return { close: () => Promise.resolve(), uiLink: () => null, ...answers } as unknown as ClusterClient;
}
