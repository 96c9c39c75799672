/** Running one phase on a node to its end, across lost connections, other jobs and restarts of the worker. */
import { setTimeout as sleep } from 'node:timers/promises';
import { OspatchError } from '../../domain/shared/errors';
import { formatDuration } from '../../domain/shared/duration';
import { plainText } from '../../domain/shared/text';
import { JOB_TIMEOUT_MS, MIN_POLL_MS, SYSTEMD_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS } from '../../domain/node/time-limits';
import type { JobAnswer } from './answer';
import type { Job } from './id';
import { formatJobId } from './id';
import { lockWaitIn } from '../lock';
import { UnreachableNotice } from '../reachability';
import type { StartParameters } from '../remote-node';
import { redactSecrets } from '../../domain/shared/redact';
import { wholeLines } from '../sanitize';
import type { Session } from '../session';
import { defined } from '../../domain/shared/defined';

/** A poll returns at once when the job ends; the wait only paces the progress shown. */
const POLL_SECONDS = 2;
const SLOW_POLL_SECONDS = 5;

/** After this many polls nobody watches every package any more. */
const FAST_POLLS = 60;

const BUSY_PAUSE_MS = 3_000;
const RESTART_PAUSE_MS = 1_000;

/** A job that systemd accepts but never runs, this many times in a row, will not run by itself. */
const MAX_RESTARTS = 20;

/** What is shorter is not worth remembering. */
const NOTED_FROM_MS = 60_000;

/** Enough for any error with its context; the full log stays on the node. */
const MAX_TAIL_BYTES = 64 * 1024;

export type JobEnd =
  | {
      state: 'done';
      rc: number;
      result: string;
      /** End of the log. */ log: string;
      logBytes: number;
      /** Seconds since it ended. */ endedAgo: number;
    }
  | { state: 'interrupted'; how: 'lost-reboot' | 'lost-killed' };

/**
 * Starts `job` unless it has run already, and follows it. `onLine` gets every line of its log. A package manager is never
 * killed: one that never ends is left to a person. Rejects with the signal's reason when aborted; the job goes on then.
 *
 * @throws OspatchError `Busy` or `Unhealthy` for what has not ended after a long time, or what reaching the node may say;
 * {@link UnreachableNotice} once, for a transaction that is still followed after that
 */
export async function followJob(
  session: Session,
  job: Job,
  parameters: StartParameters,
  onLine: (line: string) => void = () => undefined,
): Promise<JobEnd> {
  // The helper says once for whom it waits; whatever comes after that line shows that it has what it waited for.
  let lockWait: string | null = null;
  const log = new LogFollower((line) => {
    lockWait = lockWaitIn(line);
    onLine(line);
  });
  const limits = new FollowLimits(session);
  const start = (): Promise<JobAnswer> => session.reachability.whenReachable(() => session.node.start(job, parameters));
  const poll = (offset: number, wait: number): Promise<JobAnswer> =>
    session.reachability.whenReachable(() => session.node.poll(job, offset, wait));
  let answer = await start();
  let restarts = 0;
  for (let polls = 0; ;) {
    session.signal.throwIfAborted();
    log.take(answer);
    limits.check(answer, job);
    switch (answer.state) {
      case 'done':
        if (answer.rc !== 0 && log.offset < answer.size) {
          const end = Math.max(log.offset, answer.size - MAX_TAIL_BYTES);
          if (end > log.offset) log.skip();
          log.take(await poll(end, 0));
        }
        session.show({ waitingFor: undefined });
        return {
          state: 'done',
          rc: answer.rc,
          result: answer.result,
          log: log.tail,
          logBytes: answer.size,
          endedAgo: answer.endedAgo,
        };
      case 'lost-reboot':
      case 'lost-killed':
        return { state: 'interrupted', how: answer.state };
      case 'running':
        polls += 1;
        followLock(session, lockWait);
        await limits.pace();
        answer = await poll(log.offset, polls <= FAST_POLLS ? POLL_SECONDS : SLOW_POLL_SECONDS);
        break;
      // Never treated as dead: systemd may be restarting itself.
      case 'unknown':
        await pauseBusy(session, 'systemd on the node to answer');
        answer = await poll(log.offset, 0);
        break;
      case 'busy':
        await pauseBusy(session, `another job on the node to end${holderOf(answer.holder)}`);
        answer = await start();
        break;
      case 'absent':
      case 'claimed':
        restarts += 1;
        if (restarts > MAX_RESTARTS) throw neverStarts(session.node.name, job);
        await pauseFor(session, RESTART_PAUSE_MS);
        answer = await start();
        break;
    }
  }
}

/** A job that waits for a lock needs nobody who watches. */
function followLock({ others }: Session, lockWait: string | null): void {
  if (lockWait === null) return others.gone();
  others.seen('lock');
  others.pauseFollowing(lockWait);
}

/** Waits before the next question whether the node is free. */
export async function pauseBusy(session: Session, waitingFor: string): Promise<void> {
  session.show({ waitingFor });
  session.others.pause(waitingFor);
  await pauseFor(session, BUSY_PAUSE_MS);
}

/** For how long the node has given the same kind of answer, and when that is too long. */
class FollowLimits {
  private asked: number;
  private runningSince: number | null = null;

  constructor(private readonly session: Session) {
    this.asked = session.now();
  }

  /** @throws OspatchError `Busy` or `Unhealthy`, or an {@link UnreachableNotice} */
  check(answer: JobAnswer, job: Job): void {
    const now = this.session.now();
    const node = this.session.node.name;
    if (answer.state === 'busy' && this.session.others.seen('job') > JOB_TIMEOUT_MS) {
      throw jobNeverEnds(node, answer.holder);
    }
    if (answer.state === 'running') this.checkOwn(now, job);
    if (answer.state === 'unknown' && this.session.others.seen('systemd') > SYSTEMD_TIMEOUT_MS) {
      throw new OspatchError({
        type: 'Unhealthy',
        message: `systemd on ${node} has not reported for ${formatDuration(SYSTEMD_TIMEOUT_MS)} whether the job ${formatJobId(job)} still runs`,
        remedy: `see on ${node} what \`systemctl status ospatch-job\` says, and reboot the node if systemd does not answer there either`,
        ...defined({ details: this.session.transaction === undefined ? undefined : { stillRuns: true } }),
      });
    }
  }

  /** What changes a node is followed for longer than anything else, and whoever waits is told of it once. */
  private checkOwn(now: number, job: Job): void {
    this.runningSince ??= now;
    const { transaction, node } = this.session;
    const followed = (transaction?.followedMs ?? 0) + (now - this.runningSince);
    if (followed >= NOTED_FROM_MS) transaction?.note(followed);
    const holder = formatJobId(job);
    if (transaction === undefined) {
      if (followed > JOB_TIMEOUT_MS) throw jobNeverEnds(node.name, holder);
    } else if (followed > TRANSACTION_TIMEOUT_MS) {
      const { type, message, remedy } = jobNeverEnds(node.name, holder, TRANSACTION_TIMEOUT_MS);
      throw new OspatchError({
        type,
        message,
        ...defined({ remedy }),
        details: { stillRuns: true },
      });
    } else if (followed > JOB_TIMEOUT_MS && !transaction.isReported) {
      throw new UnreachableNotice(0, jobNeverEnds(node.name, holder).message, followed);
    }
  }

  /** Keeps the pause between two questions that a node answers at once. */
  async pace(): Promise<void> {
    const left = MIN_POLL_MS - (this.session.now() - this.asked);
    if (left > 0) await pauseFor(this.session, Math.min(left, MIN_POLL_MS));
    this.asked = this.session.now();
  }
}

/** A job that has the node for longer than anybody can wait. It is left as it is. */
export function jobNeverEnds(node: string, holder: string, limitMs = JOB_TIMEOUT_MS): OspatchError {
  const name = plainText(holder, 80);
  const which = name === '' || name === 'unknown' ? 'an ospatch job' : `the ospatch job ${name}`;
  return new OspatchError({
    type: 'Busy',
    message: `${which} has not ended on ${node} within ${formatDuration(limitMs)}; it was not stopped`,
    remedy: `see on ${node} what it waits for: \`systemctl status 'ospatch-job*'\` and /var/lib/ospatch/runs/${name === '' ? '*' : name}/log`,
  });
}

/** Waits between two looks at a node. */
export function pauseFor(session: Session, pauseMs: number): Promise<void> {
  return sleep(pauseMs, undefined, { signal: session.signal });
}

function holderOf(holder: string): string {
  return holder === '' ? '' : ` (${plainText(holder, 80)})`;
}

function neverStarts(node: string, job: Job): OspatchError {
  return new OspatchError({
    type: 'HelperProtocol',
    message: `the job ${formatJobId(job)} was accepted by ${node} but never starts`,
    remedy: 'check `journalctl -u ospatch-job` on the node',
  });
}

/** Puts the log together from pieces and cuts it into lines. */
class LogFollower {
  offset = 0;
  private kept = Buffer.alloc(0);
  private rest = '';
  private isCut = false;

  constructor(private readonly onLine: (line: string) => void) {}

  get tail(): string {
    const text = this.kept.toString();
    return redactSecrets(this.isCut ? wholeLines(text) : text);
  }

  /** What comes next does not follow on what there is. */
  skip(): void {
    this.kept = Buffer.alloc(0);
    this.rest = '';
    this.isCut = true;
  }

  take({ log, size }: JobAnswer): void {
    if (log.length === 0) return;
    this.offset = Math.min(size, this.offset + log.length);
    this.isCut ||= this.kept.length + log.length > MAX_TAIL_BYTES;
    this.kept = Buffer.concat([this.kept, log]).subarray(-MAX_TAIL_BYTES);
    const lines = (this.rest + log.toString('latin1')).split('\n');
    this.rest = lines.pop()?.slice(0, 4096) ?? '';
    for (const line of lines) this.onLine(redactSecrets(line));
  }
}
