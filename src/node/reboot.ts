/** Reboots a node and waits until the reboot is proven: another boot id, systemd settled, and stable for a while. */
import { OspatchError } from '../domain/shared/errors';
import { windowOver } from '../domain/run/window-end';
import type { RebootRequested } from '../domain/node/reboot';
import type { NodeFacts } from '../domain/node/report';
import { JOB_TIMEOUT_MS } from '../domain/node/time-limits';
import { jobNeverEnds, pauseFor, pauseBusy } from './job/follow';
import type { NodeProbe, RebootProgress } from './probe';
import { rebootRefused } from './probe';
import type { Session } from './session';
import { defined } from '../domain/shared/defined';

/** Virtual machines are back within seconds, bare metal within minutes; later probes can be less frequent. */
const FIRST_PROBE_MS = 1_000;
const MAX_PROBE_MS = 10_000;
const PROBE_GROWTH = 1.25;

/** A node with the old boot id and no sign of a shutdown for this long does not reboot. */
const REFUSED_AFTER_MS = 5 * 60_000;

/** Services may take long to stop, our own unit up to 15 minutes. */
const SHUTDOWN_LIMIT_MS = 30 * 60_000;

/** A successful reboot command has started a shutdown by then, if it ever does. */
const NO_EFFECT_AFTER_MS = 30_000;
const NO_EFFECT_SEEN = 3;

const SETTLE_LIMIT_MS = 10 * 60_000;
const SETTLE_PAUSE_MS = 1_000;

/** Long enough to notice a machine that immediately reboots again. */
const STABLE_MS = 3_000;
const MAX_BOOTS_SEEN = 3;

/** A failed reboot command counts after this many observations: a shutdown terminates the command too. */
const REFUSALS_SEEN = 2;

/**
 * Reboots the node if `bootId` is still its boot id, with the program `command` on the node if given, and returns the
 * facts of the settled node, whatever its state. Idempotent: after the reboot it only waits and probes. `onRequested`
 * reports the progress to a caller that may cancel in between.
 *
 * @throws OspatchError `RebootFailed`, `Unhealthy`, or any connection error
 */
export async function rebootNode(
  session: Session,
  bootId: string,
  { command, beginByMs }: { command?: string | undefined; beginByMs?: number | undefined } = {},
  onRequested: (asked: RebootRequested) => void = () => undefined,
): Promise<NodeFacts> {
  await requestReboot(session, bootId, { command, beginByMs }, onRequested);
  let seen = await awaitNewBoot(session, bootId, command);
  const boots = new Set([seen.bootId]);
  for (;;) {
    const settled = await awaitSettled(session, seen);
    await pauseFor(session, STABLE_MS);
    seen = await session.reachability.whenReachable(() => probe(session));
    // A system that is shutting down again still answers for a moment.
    if (seen.bootId === settled.bootId && seen.systemState !== 'stopping') {
      // Read only now, because facts may be slow right after a boot.
      const { facts } = await session.reachability.whenReachable(() => session.node.facts());
      if (facts.bootId === seen.bootId && facts.systemState !== 'stopping') {
        session.show({ waitingFor: undefined });
        return facts;
      }
      boots.add(facts.bootId);
    }
    boots.add(settled.bootId).add(seen.bootId);
    if (boots.size > MAX_BOOTS_SEEN) throw unhealthy(session.node.name, 'keeps rebooting by itself');
  }
}

/** A reboot that was not requested before the end of the window is not requested after it. */
async function refuseLate(session: Session, bootId: string, beginByMs: number | undefined): Promise<void> {
  if (beginByMs === undefined || session.now() < beginByMs) return;
  const seen = await session.node.probe();
  if (seen.bootId === bootId && seen.reboot === null) throw new OspatchError(windowOver(session.node.name));
}

async function requestReboot(
  session: Session,
  bootId: string,
  { command, beginByMs }: { command: string | undefined; beginByMs: number | undefined },
  onRequested: (asked: RebootRequested) => void,
): Promise<void> {
  for (;;) {
    onRequested('unknown');
    const { state, holder } = await session.reachability.whenReachable(async () => {
      await refuseLate(session, bootId, beginByMs);
      return session.node.reboot(bootId, command);
    });
    onRequested(state === 'busy' ? 'no' : 'yes');
    if (state !== 'busy') return session.others.gone();
    if (session.others.seen('job') > JOB_TIMEOUT_MS) throw jobNeverEnds(session.node.name, holder);
    await pauseBusy(session, 'a package job on the node to end before the reboot');
  }
}

/** Only a changed boot id proves a reboot; the old system keeps answering for a while. */
async function awaitNewBoot(session: Session, bootId: string, command: string | undefined): Promise<NodeProbe> {
  session.show({ waitingFor: 'the node to come back' });
  let pauseMs = FIRST_PROBE_MS;
  const verdict = new RebootVerdict(session, command);
  for (;;) {
    await pauseFor(session, pauseMs);
    const result = await session.reachability.attempt(() => probe(session));
    if (result.answered) {
      if (result.value.bootId !== bootId) return result.value;
      verdict.check(result.value);
    } else {
      verdict.reset();
      session.reachability.add(pauseMs);
    }
    pauseMs = Math.min(MAX_PROBE_MS, pauseMs * PROBE_GROWTH);
  }
}

/** Decides, from probes of a node that still runs the old system, that the node does not reboot. */
class RebootVerdict {
  private answeredFirst: number | null = null;
  private refusals = 0;
  private noEffect: { since: number; looks: number } | null = null;

  constructor(
    private readonly session: Session,
    private readonly command: string | undefined,
  ) {}

  reset(): void {
    this.answeredFirst = null;
    this.noEffect = null;
    this.refusals = 0;
  }

  /** @throws OspatchError `RebootFailed` */
  check({ systemState, reboot }: NodeProbe): void {
    const now = this.session.now();
    const node = this.session.node.name;
    this.answeredFirst ??= now;
    this.show(reboot);

    const isRefused = reboot !== null && typeof reboot.rc === 'number' && reboot.rc !== 0 && systemState !== 'stopping';
    this.refusals = isRefused ? this.refusals + 1 : 0;
    if (isRefused && this.refusals >= REFUSALS_SEEN) throw rebootRefused(node, describeEnd(this.command, reboot));

    if (reboot !== null && this.hasNoEffect(reboot)) {
      this.noEffect ??= { since: now, looks: 0 };
      this.noEffect.looks += 1;
      if (this.noEffect.looks >= NO_EFFECT_SEEN && now - this.noEffect.since >= NO_EFFECT_AFTER_MS) {
        throw rebootRefused(node, describeNoEffect(reboot));
      }
    } else this.noEffect = null;

    const goesDown = reboot !== null && GOES_DOWN.has(reboot.way);
    const limitMs = goesDown ? SHUTDOWN_LIMIT_MS : REFUSED_AFTER_MS;
    if (now - this.answeredFirst > limitMs) throw stillUp(node, limitMs, reboot, goesDown);
  }

  /** A reboot command of the administrator may trigger a reboot from outside, long after it has ended. */
  private hasNoEffect({ rc, way }: RebootProgress): boolean {
    if (way === 'stuck' || (way === 'none' && rc === 'never')) return true;
    return way === 'none' && rc === 0 && this.command === undefined;
  }

  private show(reboot: RebootProgress | null): void {
    const goesDown = reboot !== null && GOES_DOWN.has(reboot.way) && reboot.why !== '';
    this.session.show({
      waitingFor: goesDown ? `the node to go down, which waits for ${reboot.why}` : 'the node to come back',
    });
  }
}

const GOES_DOWN: ReadonlySet<RebootProgress['way']> = new Set(['stopping', 'delayed', 'scheduled']);

function stillUp(node: string, limitMs: number, reboot: RebootProgress | null, goesDown: boolean): OspatchError {
  const minutes = limitMs / 60_000;
  const waits = reboot === null || reboot.why === '' ? '' : `: it waits for ${reboot.why}`;
  const running = reboot?.rc === null ? '; the reboot command has not exited' : '';
  return new OspatchError({
    type: 'RebootFailed',
    message: goesDown
      ? `${node} has not gone down ${minutes} min after the reboot was requested${waits}`
      : `${node} still runs the old system ${minutes} min after the reboot was requested${running}`,
    remedy: `check \`systemctl list-jobs\` and \`journalctl -u ospatch-reboot\` on ${node}`,
    // The node may still go down at any moment.
    ...defined({ details: goesDown ? { goingDown: true } : undefined }),
  });
}

/** `own-reboot exited with code 1 and printed: ...`. */
function describeEnd(command: string | undefined, { rc, said }: RebootProgress): string {
  const what = command ?? 'the reboot command';
  return `${what} exited with code ${rc}${said === '' ? ' and printed nothing' : `: ${said}`}`;
}

function describeNoEffect({ rc, said, way, why }: RebootProgress): string {
  if (way === 'stuck')
    return 'its services were stopped, and then it did not go down: systemd is stopping and runs no job';
  if (rc === 'never') return `the reboot command was not run (${said})`;
  const words = said === '' ? '' : ` and printed: ${said}`;
  return `the reboot command exited with code 0${words}, but the node is not shutting down${why === '' ? '' : ` (${why})`}`;
}

async function awaitSettled(session: Session, first: NodeProbe): Promise<NodeProbe> {
  const started = session.now();
  let seen = first;
  while (seen.systemState !== 'running' && seen.systemState !== 'degraded') {
    if (session.now() - started > SETTLE_LIMIT_MS) {
      throw unhealthy(
        session.node.name,
        `is still ${seen.systemState} ${SETTLE_LIMIT_MS / 60_000} min after the reboot`,
      );
    }
    session.show({ waitingFor: `systemd on the node, which is ${seen.systemState}` });
    await pauseFor(session, SETTLE_PAUSE_MS);
    seen = await session.reachability.whenReachable(() => probe(session));
  }
  return seen;
}

function probe(session: Session): Promise<NodeProbe> {
  session.node.disconnect();
  return session.node.probe();
}

function unhealthy(node: string, what: string): OspatchError {
  return new OspatchError({
    type: 'Unhealthy',
    message: `${node} ${what}`,
    remedy: `check \`systemctl --failed\` and the journal on ${node}`,
    details: { rebooted: true },
  });
}
