/** Why the run in progress does not start its next member. */
import { memberNameOf } from '../cluster/member';
import type { RunStatus } from '../cluster/messages';
import { describeHold, someOf } from '../run/describe-hold';
import type { RunHold } from '../run/next-step';
import { explainInWork } from './in-work';
import type { Explanation } from './explanation';
import type { Situation } from './situation';
import { explanation } from './explanation';
import { blackoutNow, nextOpening } from './situation';

/** Members in work of a held-up run that are explained one by one. */
const MAX_MEMBERS = 5;

/** Empty without a run, and for one that is only paused. */
export function explainRun(situation: Situation): Explanation[] {
  const { status } = situation;
  const { run } = status;
  if (run === null) return [];
  const members = status.current.slice(0, MAX_MEMBERS).flatMap((one) => explainInWork(situation, one));
  return [...whyHeld(situation, run), ...members];
}

function whyHeld(situation: Situation, run: RunStatus): Explanation[] {
  const { status } = situation;
  const what = `run ${run.number} starts no further ${memberNameOf(status.type)}`;
  if (run.state === 'cancelling') return [cancelling(situation, run, what)];
  if (status.paused !== null) return [];
  const hold = run.detail?.hold ?? null;
  if (run.state === 'suspended') return [suspended(situation, run, what)];
  if (hold !== null) return [held(situation, run, hold, what)];
  if (run.state === 'running') return [];
  return [explanation('run-goes-on', what, 'it goes on in a moment, in a fresh history')];
}

/** Between two windows, or in a blackout. The cluster knows which, and whether the run expires before it goes on. */
function suspended(situation: Situation, run: RunStatus, what: string): Explanation {
  const { explanation: because } = situation.status;
  return explanation('window', what, because.replace(/^run \d+ is suspended/, 'it is suspended'), {
    since: run.detail?.holdSince ?? null,
    until: goesOnAt(situation, run),
    change: windowChanges(situation, run),
  });
}

/** The run goes on, or expires; null: nobody knows when. */
function goesOnAt(situation: Situation, { bound, expiresAt }: RunStatus): string | null {
  const next = bound === true ? nextOpening(situation) : (blackoutNow(situation)?.end ?? nextOpening(situation));
  return [next, expiresAt ?? null].reduce(
    (first, at) => (first === null || (at !== null && Date.parse(at) < Date.parse(first)) ? at : first),
    null,
  );
}

function cancelling({ status, events }: Situation, run: RunStatus, what: string): Explanation {
  const asked = events.findLast(
    (event) => event.request === 'remove' || (event.request === 'cancelRun' && event.run === run.number),
  );
  const names = status.current.map(({ node }) => node);
  const rest =
    names.length === 0 ? '' : `, and ends when ${someOf(names)} ${names.length === 1 ? 'has' : 'have'} ended`;
  const by = asked?.by === undefined || asked.by === null ? 'it was cancelled' : `${asked.by} has cancelled it`;
  return explanation('cancelling', what, `${by}${rest}`, { since: asked?.at ?? null });
}

function held(situation: Situation, run: RunStatus, hold: RunHold, what: string): Explanation {
  const { status, time } = situation;
  const because = describeHold(hold, memberNameOf(status.type), (ms) => time(new Date(ms).toISOString()));
  return explanation(hold.kind, what, because, {
    since: run.detail?.holdSince ?? null,
    until: untilOf(situation, run, hold),
    change: hold.kind === 'window' ? windowChanges(situation, run) : changesOf(situation, hold),
  });
}

function untilOf(situation: Situation, { bound }: RunStatus, hold: RunHold): string | null {
  if (hold.kind === 'soak' || hold.kind === 'alerts-quiet') return new Date(hold.untilMs).toISOString();
  if (hold.kind !== 'window' || hold.by === 'deadline') return null;
  const blackout = situation.status.blackouts.find(({ start }) => Date.parse(start) === hold.endMs);
  return bound !== true && blackout !== undefined ? blackout.end : nextOpening(situation);
}

/** The present window can be extended, but no blackout and no deadline; between two windows, only a run of its own does not wait. */
function windowChanges({ status: { cluster } }: Situation, { state, detail }: RunStatus): string[] {
  const by = detail?.hold?.kind === 'window' ? detail.hold.by : undefined;
  const more =
    by === 'deadline'
      ? `patch ${cluster}`
      : state === 'running' && by === undefined
        ? `extend-window ${cluster} 1h`
        : `patch ${cluster} --ignore-window`;
  return [`ospatch ${more}`, `ospatch cancel ${cluster}`];
}

function changesOf({ status }: Situation, hold: Exclude<RunHold, { kind: 'window' }>): string[] {
  const { cluster } = status;
  switch (hold.kind) {
    case 'concurrency':
      return [`ospatch set-concurrency ${cluster} N`];
    case 'in-flight':
    case 'zone':
    case 'role':
    case 'stage':
      return hold.members.slice(0, 1).map((name) => `ospatch explain ${cluster} ${name}`);
    case 'control-plane':
      return [`ospatch explain ${cluster} ${hold.member}`];
    case 'max-unavailable':
      return [`\`ospatch check ${cluster}\` shows what is wrong with them`];
    case 'unobserved':
      return [`ospatch doctor ${cluster}`];
    case 'lost':
      return [
        ...hold.members.slice(0, 3).map((name) => `ospatch release ${cluster} ${name}`),
        `ospatch set-max-failures ${cluster} N`,
      ];
    case 'budget':
      return [
        `ospatch retry ${cluster} NODE`,
        `ospatch skip ${cluster} NODE`,
        `ospatch set-max-failures ${cluster} N`,
        `ospatch cancel ${cluster}`,
      ];
    case 'alerts':
      return ['the end of these alerts', 'a silence in Alertmanager', `ospatch cancel ${cluster}`];
    case 'alerts-unknown':
      return ['an Alertmanager that answers', `ospatch cancel ${cluster}`];
    case 'alerts-quiet':
    case 'soak':
      return [`ospatch cancel ${cluster}`];
  }
}
