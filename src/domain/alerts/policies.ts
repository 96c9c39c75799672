/** What a run and its node patches are started with, by the spec. */
import { parseDuration } from '../shared/duration';
import { defined } from '../shared/defined';
import type { PatchableSpec } from '../spec/types';
import type { AlertGatePolicy, AlertmanagerAccess, AlertmanagerSpec, SilencePolicy } from './types';

/** Undefined: no alert holds a run. */
export function alertGateOf({
  alerts,
  patching,
}: Pick<PatchableSpec, 'alerts' | 'patching'>): AlertGatePolicy | undefined {
  if (alerts?.block === undefined) return undefined;
  const { alertmanager, block, ignore = [], watchdog, holdFor } = alerts;
  return {
    alertmanager: accessOf(alertmanager),
    filter: { block, ignore, ...defined({ watchdog }), startupGraceMs: parseDuration(alertmanager.startupGrace) },
    holdForMs: holdFor === undefined ? 0 : parseDuration(holdFor),
    maxRunAgeMs: parseDuration(patching.maxRunAge),
  };
}

/** Undefined: no silences. */
export function silencePolicyOf({ alerts }: Pick<PatchableSpec, 'alerts'>): SilencePolicy | undefined {
  const silence = alerts === undefined || !('silence' in alerts) ? undefined : alerts.silence;
  if (alerts === undefined || silence === undefined) return undefined;
  const { matchers, lease, tail, maxDuration, onFailure } = silence;
  return {
    alertmanager: accessOf(alerts.alertmanager),
    matchers,
    leaseMs: parseDuration(lease),
    tailMs: tail === undefined ? 0 : parseDuration(tail),
    maxMs: parseDuration(maxDuration),
    onFailure,
  };
}

function accessOf({ startupGrace: _startupGrace, ...access }: AlertmanagerSpec): AlertmanagerAccess {
  return access;
}
