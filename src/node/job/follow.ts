/** Follows one phase on a node to its end, across lost connections, other jobs and worker restarts. */
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
import type { JobParameters } from '../remote-node';
import { windowOver } from '../../domain/run/window-end';
import { redactSecrets } from '../../domain/shared/redact';
import { wholeLines } from '../sanitize';
import type { Session } from '../session';
import { defined } from '../../domain/shared/defined';

/** A poll returns at once when the job ends; the wait only paces the displayed progress. */
const POLL_SECONDS = 2;
const SLOW_POLL_SECONDS = 5;

/** A node that floods its log gets this much pause for the time spent on an answer, so that others are not held up. */
const PAUSE_PER_WORK = 20;
const MAX_POLL_PAUSE_MS = 10_000;

/** More lines in one chunk of a log are no progress of a package manager. */
const MAX_LINES_PER_CHUNK = 4_000;

/** Number of polls after which the slower pace is used. */
const FAST_POLLS = 60;

const BUSY_PAUSE_MS = 3_000;
const RESTART_PAUSE_MS = 1_000;

/** A job that systemd accepts but does not run this many times in a row needs a person. */
const MAX_RESTARTS = 20;

/** Shorter waits are not recorded. */
const NOTED_FROM_MS = 60_000;

/** Enough for an error with its context; the full log stays on the node. */
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
 * Starts `job` unless it has already run, and follows it. `onLine` receives every line of its log. A package manager is
 * never killed; a job that never ends needs a person. Rejects with the signal's reason when aborted; the job continues.
 *
 * @throws OspatchError `Busy` or `Unhealthy` when the job has not ended within a limit, or any connection error; once
 * an {@link UnreachableNotice} for a transaction that is still followed afterwards
 */
export async function followJob(
  session: Session,
  job: Job,
  { beginByMs, ...parameters }: JobParameters,
  onLine: (line: string) => void = () => undefined,
): Promise<JobEnd> {
  // The helper prints the lock holder once; any later line means that the lock was acquired.
  let lockWait: string | null = null;
  const log = new LogFollower((line) => {
    lockWait = lockWaitIn(line);
    onLine(line);
  });
  const limits = new FollowLimits(session);
  const start = (): Promise<JobAnswer> =>
    session.reachability.whenReachable(async () => {
      if (beginByMs !== undefined && session.now() >= beginByMs) {
        const begun = await session.node.poll(job, 0, 0);
        if (begun.state === 'absent') throw new OspatchError(windowOver(session.node.name));
      }
      return session.node.start(job, parameters);
    });
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
        await limits.pace(log.spentMs);
        answer = await poll(log.offset, polls <= FAST_POLLS ? POLL_SECONDS : SLOW_POLL_SECONDS);
        break;
      // Never treated as dead: systemd may be re-executing itself.
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

/** A job that waits for a lock continues without a watcher. */
function followLock({ others }: Session, lockWait: string | null): void {
  if (lockWait === null) return others.gone();
  others.seen('lock');
  others.pauseFollowing(lockWait);
}

/** Waits before the next check whether the node is free. */
export async function pauseBusy(session: Session, waitingFor: string): Promise<void> {
  session.show({ waitingFor });
  session.others.pause(waitingFor);
  await pauseFor(session, BUSY_PAUSE_MS);
}

/** Tracks for how long the node has returned the same kind of answer, and enforces the limits. */
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

  /** Transactions are followed longer than other jobs, and the caller gets one notice. */
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

  /** Enforces the minimum interval between polls that the node answers at once. `spentMs`: on the last answer. */
  async pace(spentMs: number): Promise<void> {
    this.session.limit?.check();
    const leastMs = Math.min(MAX_POLL_PAUSE_MS, Math.max(MIN_POLL_MS, spentMs * PAUSE_PER_WORK));
    const left = leastMs - (this.session.now() - this.asked);
    if (left > 0) await pauseFor(this.session, Math.min(left, leastMs));
    this.asked = this.session.now();
  }
}

/** A job that exceeds the limit. It is left running. */
export function jobNeverEnds(node: string, holder: string, limitMs = JOB_TIMEOUT_MS): OspatchError {
  const name = plainText(holder, 80);
  const which = name === '' || name === 'unknown' ? 'an ospatch job' : `the ospatch job ${name}`;
  return new OspatchError({
    type: 'Busy',
    message: `${which} has not ended on ${node} within ${formatDuration(limitMs)}; it was not stopped`,
    remedy: `see on ${node} what it waits for: \`systemctl status 'ospatch-job*'\` and /var/lib/ospatch/runs/${name === '' ? '*' : name}/log`,
  });
}

/**
 * Waits between two polls of a node.
 * @throws OspatchError `Busy`, or an {@link UnreachableNotice}, when the step takes too long as a whole
 */
export async function pauseFor(session: Session, pauseMs: number): Promise<void> {
  session.limit?.check();
  await sleep(pauseMs, undefined, { signal: session.signal });
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

/** Assembles the log from chunks and splits it into lines. */
class LogFollower {
  offset = 0;
  /** On the last chunk, in milliseconds. */
  spentMs = 0;
  private kept = Buffer.alloc(0);
  private rest = '';
  private isCut = false;

  constructor(private readonly onLine: (line: string) => void) {}

  get tail(): string {
    const text = this.kept.toString();
    return redactSecrets(this.isCut ? wholeLines(text) : text);
  }

  /** The next chunk does not continue the previous one. */
  skip(): void {
    this.kept = Buffer.alloc(0);
    this.rest = '';
    this.isCut = true;
  }

  take({ log, size }: JobAnswer): void {
    this.spentMs = 0;
    if (log.length === 0) return;
    const started = performance.now();
    this.offset = Math.min(size, this.offset + log.length);
    this.isCut ||= this.kept.length + log.length > MAX_TAIL_BYTES;
    this.kept = Buffer.concat([this.kept, log]).subarray(-MAX_TAIL_BYTES);
    const lines = (this.rest + log.toString('latin1')).split('\n');
    this.rest = lines.pop()?.slice(0, 4096) ?? '';
    const told = lines.filter((line) => line !== '').slice(-MAX_LINES_PER_CHUNK);
    for (const line of told) this.onLine(redactSecrets(line));
    this.spentMs = performance.now() - started;
  }
}
