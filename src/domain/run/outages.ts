/**
 * Whether a node in flight may be taken out of service now. Minutes may have passed since it was started, and what nobody
 * asked the run for (a node that died, a cordon by hand) may have used up the room since, or an alert may fire.
 */
import { firingHold } from '../alerts/gate';
import type { RunHold, RunView } from './next-step';
import { budgetHold, windowHold } from './next-step';

export interface OutageView extends RunView {
  /** Names of the nodes in flight that wait for an answer, longest wait first. */
  asking: readonly string[];
  /** Nodes in flight that have not been taken out of service by this run. */
  inService: ReadonlySet<string>;
  paused: boolean;
}

export interface OutageAnswers {
  granted: string[];
  /** They give up their place, and have another turn when the run goes on. */
  sentBack: string[];
  /** What keeps the first of the others waiting; null: nobody waits. */
  hold: RunHold | null;
}

/** Nodes that the run has in flight count as out of service from the moment they are granted it. */
export function answerOutages(view: OutageView): OutageAnswers {
  const { asking, inService, limits, inFlight, lost, unavailable } = view;
  const answers: OutageAnswers = { granted: [], sentBack: [], hold: null };
  const limit = limits.maxUnavailable;
  const overBudget = budgetHold(view);
  const mayBeOut = inFlight.filter(({ name }) => !inService.has(name));
  const firing = view.alerts === undefined ? null : firingHold(view.alerts.reading);
  const outOfService = new Set([...(unavailable ?? []), ...[...mayBeOut, ...lost].map(({ name }) => name)]);
  for (const name of asking) {
    const isKnown = limit === null || unavailable !== null;
    if (firing === null && isKnown && (limit === null || outOfService.has(name) || outOfService.size < limit)) {
      outOfService.add(name);
      answers.granted.push(name);
    } else if (view.paused || overBudget?.kind === 'budget' || windowHold(view, { name }) !== null) {
      answers.sentBack.push(name);
    } else {
      answers.hold ??= firing ?? tooMany(limit, unavailable === null ? null : outOfService);
    }
  }
  return answers;
}

/** `outOfService` null: not known. */
function tooMany(limit: number | null, outOfService: ReadonlySet<string> | null): RunHold {
  if (limit === null || outOfService === null) return { kind: 'unobserved' };
  return { kind: 'max-unavailable', limit, unavailable: [...outOfService] };
}
