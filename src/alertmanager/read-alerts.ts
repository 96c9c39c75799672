/** Asks the replicas of an Alertmanager which alerts hold a run. */
import { entryMatchers } from '../domain/alerts/matchers';
import type { AlertFilter, AlertReading, AlertmanagerAccess } from '../domain/alerts/types';
import { MAX_ALERT_NAMES } from '../domain/alerts/types';
import { formatDuration } from '../domain/shared/duration';
import { isOspatchError } from '../domain/shared/errors';
import { isHttpFailure } from '../http/failure';
import type { Alert, ApiDeps } from './api';
import { AlertmanagerApi } from './api';

const MAX_REASONS = 2;

/**
 * All replicas are asked: an alert that one of them knows fires, also when another one has not got it yet. Nothing fires when at
 * least one says so that has been running for long enough to know.
 */
export async function readAlerts(
  access: AlertmanagerAccess,
  filter: AlertFilter,
  deps: ApiDeps,
): Promise<AlertReading> {
  const answers = await Promise.all(access.url.map((url) => readOne(new AlertmanagerApi(url, access, deps), filter)));
  const firing = answers.flatMap((answer) => ('firing' in answer ? answer.firing : []));
  if (firing.length > 0) {
    const names = [...new Set(firing.map(({ name }) => name))].sort();
    return { result: 'fail', names: names.slice(0, MAX_ALERT_NAMES), total: names.length };
  }
  const reasons = answers.flatMap((answer) => ('why' in answer ? [answer.why] : []));
  if (reasons.length < answers.length) return { result: 'pass', names: [], total: 0 };
  return { result: 'unknown', names: [], total: 0, why: reasons.slice(0, MAX_REASONS).join('; ') };
}

async function readOne(api: AlertmanagerApi, filter: AlertFilter): Promise<{ firing: Alert[] } | { why: string }> {
  try {
    const firing = await firingIn(api, filter);
    const why = firing.length > 0 ? null : await whyNotBelieved(api, filter);
    return why === null ? { firing } : { why };
  } catch (error) {
    if (isHttpFailure(error) || isOspatchError(error)) return { why: error.message };
    throw error;
  }
}

async function firingIn(api: AlertmanagerApi, { block, ignore }: AlertFilter): Promise<Alert[]> {
  const wanted = block === 'all' ? [[]] : block.map(entryMatchers);
  const found = await Promise.all(wanted.map((matchers) => api.alerts({ matchers })));
  const firing = new Map(found.flat().map((alert) => [alert.fingerprint, alert]));
  if (firing.size === 0) return [];
  const ignored = await Promise.all(ignore.map((entry) => api.alerts({ matchers: entryMatchers(entry) })));
  for (const { fingerprint } of ignored.flat()) firing.delete(fingerprint);
  return [...firing.values()];
}

/** Why it means nothing that no alert fires; null: it does. */
async function whyNotBelieved(api: AlertmanagerApi, { watchdog, startupGraceMs }: AlertFilter): Promise<string | null> {
  const runningMs = await api.runningForMs();
  if (runningMs < startupGraceMs) {
    return `the Alertmanager ${api.server} was started less than ${formatDuration(startupGraceMs)} ago, and may not have got all alerts yet`;
  }
  if (watchdog === undefined) return null;
  const always = await api.alerts({ matchers: entryMatchers(watchdog), all: true });
  if (always.length > 0) return null;
  return `the alert ${watchdog}, which always fires, has not arrived at the Alertmanager ${api.server}, so others may be missing too`;
}
