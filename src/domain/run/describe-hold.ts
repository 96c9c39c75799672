/** What keeps a run from starting its next member, in words. */
import { isoSecond } from '../shared/dates';
import type { MemberName } from '../cluster/member';
import { formatDuration } from '../shared/duration';
import type { Forecast } from './forecast';
import type { RunHold } from './next-step';

/** Names in one sentence; the rest is counted. */
const MAX_NAMES = 3;

/**
 * One clause without a full stop. Names are not escaped.
 * @param formatTime for an instant in epoch milliseconds; default: ISO 8601
 */
export function describeHold(hold: RunHold, unit: MemberName, formatTime: (ms: number) => string = isoSecond): string {
  switch (hold.kind) {
    case 'in-flight':
      return `every ${unit} has been started, and ${unended(hold.members)}`;
    case 'concurrency':
      return hold.limit === 1
        ? `one ${unit} is patched at a time`
        : `all ${hold.limit} places are taken (concurrency ${hold.limit})`;
    case 'max-unavailable':
      return `${hold.unavailable.length} ${hold.unavailable.length === 1 ? 'node is' : 'nodes are'} unavailable (${someOf(hold.unavailable)}), and no more than ${hold.limit} may be`;
    case 'unobserved':
      return 'which nodes are unavailable is not known yet';
    case 'control-plane':
      return `control planes are patched one at a time, and ${unended([hold.member])}`;
    case 'zone':
      return `one zone is patched at a time, and ${hold.zone === null ? 'of the nodes without a zone' : `in zone ${hold.zone}`} ${unended(hold.members)}`;
    case 'role':
      return `${hold.role === 'control-plane' ? 'control planes' : 'workers'} end before the others begin, and ${unended(hold.members)}`;
    case 'stage':
      return `stage ${hold.stage + 1} ends before the next one begins, and ${unended(hold.members)}`;
    case 'soak':
      return `stage ${hold.stage + 1} soaks until ${formatTime(hold.untilMs)}`;
    case 'lost':
      return `${someOf(hold.members)} cannot be reached after a change and ${hold.members.length === 1 ? 'counts as failed until it is back' : 'count as failed until they are back'}; ${hold.failures} failed besides, and ${hold.limit} may`;
    case 'budget':
      return `${hold.failures} failed, more than the ${hold.limit} that may`;
    case 'alerts':
      return `${hold.total === 1 ? 'an alert fires' : `${hold.total} alerts fire`}: ${someOf(hold.names, MAX_NAMES, hold.total)}`;
    case 'alerts-unknown':
      return hold.why === null ? 'which alerts fire is not known yet' : `which alerts fire is not known: ${hold.why}`;
    case 'alerts-quiet':
      return `no alert may fire until ${formatTime(hold.untilMs)} (alerts.holdFor)`;
    case 'window':
      return hold.forecast === null
        ? `no ${unit} is started so close to ${END_OF[hold.by ?? 'window']} at ${formatTime(hold.endMs)}`
        : `${describeForecast(hold.next, hold.forecast)}, and ${ENDS[hold.by ?? 'window']} ${formatTime(hold.endMs)}`;
  }
}

const END_OF = {
  window: 'the end of the window',
  blackout: 'the beginning of a blackout',
  deadline: 'the deadline of the run',
} as const;

const ENDS = {
  window: 'the window ends at',
  blackout: 'a blackout begins at',
  deadline: 'the deadline of the run is',
} as const;

/** `w-1 is forecast to take 12m`. */
export function describeForecast(node: string, { ms, from }: Forecast): string {
  const guess = from === 'guess' ? ', which is a guess' : '';
  return `${node} is forecast to take ${formatDuration(ms)}${guess}`;
}

/** `w-1, w-2, w-3 and 9 more`. */
export function someOf(names: readonly string[], max = MAX_NAMES, total = names.length): string {
  const shown = names.slice(0, max);
  const more = total - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function unended(names: readonly string[]): string {
  return `${someOf(names)} ${names.length === 1 ? 'has' : 'have'} not ended`;
}
