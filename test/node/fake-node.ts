/** A node with given answers, at the level of the transport. */
import { OspatchError } from '../../src/domain/shared/errors';
import type { NodeTarget } from '../../src/domain/spec/types';
import { helperScript } from '../../src/node/helper/script';
import { ContentionTracker } from '../../src/node/contention';
import { ReachabilityTracker } from '../../src/node/reachability';
import { RemoteNode } from '../../src/node/remote-node';
import type { Session } from '../../src/node/session';
import type { ExecOptions, ExecResult, Transport } from '../../src/ssh/transport';

export const TARGET: NodeTarget = {
  cluster: 'lab',
  name: 'w-1',
  host: '10.0.0.12',
  ssh: { user: 'root', port: 22, identity: 'id', helper: 'auto' },
  hostKeys: ['ssh-ed25519 A'],
};

export type Answer = string | Partial<ExecResult> | Error;

export function result(answer: string | Partial<ExecResult>): ExecResult {
  const empty = { code: 0, signal: null, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), truncated: false };
  return typeof answer === 'string' ? { ...empty, stdout: Buffer.from(answer) } : { ...empty, ...answer };
}

export function unreachableNode(): OspatchError {
  return new OspatchError({ type: 'Unreachable', message: 'w-1 cannot be reached: refused' });
}

/** A job answer; `log` is the content of the log from the requested offset. */
export function jobAnswer(state: string, options: { log?: string; size?: number; answer?: string } = {}): string {
  const { log = '', answer = '' } = options;
  const size = options.size ?? log.length;
  return `ospatch 1 state=${state} size=${size} off=0 log=${log.length} result=${answer.length} boot=x\n${log}${answer}`;
}

export function factsAnswer(...lines: string[]): string {
  const healthy = [
    'boot_id=11111111-1111-1111-1111-111111111111',
    'os_id=debian',
    'os_version_id=12',
    'package_manager=apt',
    'systemd=yes',
    'system_state=running',
    'disk_root_kib=2000000',
  ];
  return `ospatch 1 facts\n${[...lines, ...healthy].join('\n')}\nend\n`;
}

/** A call of the helper without the digest check around it: `[sudo] PATH VERB ARGUMENTS`. */
function callOf(command: string): string {
  const match = /^sh -c '.* && exec (.*)\$f "\$@"; .*' ospatch (.*)$/.exec(command);
  return match === null ? command : `${match[1]?.replace('$p', 'sudo')}${helperScript().path} ${match[2]}`;
}

/** Returns the answers in order, then repeats the last one. */
export class FakeTransport implements Transport {
  /** The calls, in the form of `callOf`. */
  calls: { command: string; stdin: string }[] = [];
  /** The same calls in the form that reaches the login shell. */
  lines: string[] = [];
  closed = 0;

  constructor(private readonly answers: Answer[]) {}

  exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    // A login shell that runs the given command.
    const echo = /^echo (ospatch-login-\S+)$/.exec(command)?.[1];
    if (echo !== undefined) return Promise.resolve(result(`${echo}\n`));
    this.calls.push({ command: callOf(command), stdin: String(options.stdin ?? '') });
    this.lines.push(command);
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    if (answer instanceof Error) return Promise.reject(answer);
    return Promise.resolve(result(answer ?? ''));
  }

  close(): void {
    this.closed += 1;
  }
}

interface FakeSession extends Session {
  transport: FakeTransport;
  shown: Parameters<Session['show']>[0][];
}

export function fakeSession(
  answers: Answer[],
  { now = Date.now, limitMs = 60_000, target = TARGET } = {},
): FakeSession {
  const transport = new FakeTransport(answers);
  const { signal } = new AbortController();
  const shown: FakeSession['shown'] = [];
  return {
    transport,
    shown,
    node: new RemoteNode(target, transport),
    signal,
    now,
    show: (progress) => shown.push(progress),
    others: new ContentionTracker({ now }),
    jobs: {},
    reachability: new ReachabilityTracker({
      node: target.name,
      limitMs,
      giveUpAs: 'UnreachableAfterChange',
      signal,
      now,
      onWaiting: () => undefined,
    }),
  };
}
