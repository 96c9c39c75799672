/** The silences of a node patch: made, renewed and ended, each found again by the mark in its comment. */
import type { Matcher } from '../domain/alerts/matchers';
import { sameMatchers } from '../domain/alerts/matchers';
import type { AlertmanagerAccess } from '../domain/alerts/types';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { SECOND_MS } from '../domain/shared/time-units';
import { defined } from '../domain/shared/defined';
import { isHttpFailure } from '../http/failure';
import type { ApiDeps, Silence } from './api';
import { AlertmanagerApi } from './api';

const CREATED_BY = 'ospatch';

/**
 * A silence that begins in the past gets another start from Alertmanager, with more digits than the API shows, and cannot be
 * changed any more without getting another id.
 */
const STARTS_IN_MS = 2 * SECOND_MS;

export interface WantedSilence {
  matchers: Matcher[];
  /** What people read of it. */
  comment: string;
  /** Tells it from all others. */
  mark: string;
}

/** Makes each silence, or lets it end later: `leaseMs` from now. */
export async function holdSilences(
  access: AlertmanagerAccess,
  wanted: readonly WantedSilence[],
  leaseMs: number,
  deps: ApiDeps,
): Promise<void> {
  await atFirst(access, deps, async (api) => {
    for (const one of wanted) {
      const { found, nowMs } = await find(api, one);
      const [ours] = found;
      await api.setSilence({
        ...defined({ id: ours?.id }),
        matchers: ours?.matchers ?? one.matchers,
        startsAt: ours?.startsAt ?? iso(nowMs + STARTS_IN_MS),
        endsAt: iso(nowMs + STARTS_IN_MS + leaseMs),
        createdBy: CREATED_BY,
        comment: `${one.comment} ${one.mark}`,
        isExpired: false,
      });
    }
  });
}

/** Ends all of them, `tailMs` from now. */
export async function endSilences(
  access: AlertmanagerAccess,
  wanted: readonly WantedSilence[],
  tailMs: number,
  deps: ApiDeps,
): Promise<void> {
  await atFirst(access, deps, async (api) => {
    for (const one of wanted) {
      const { found, nowMs } = await find(api, one);
      // Replicas that did not know of each other's silence may have made one each.
      for (const ours of found) {
        if (tailMs === 0) await api.expire(ours.id);
        else await api.setSilence({ ...ours, endsAt: iso(nowMs + tailMs) });
      }
    }
  });
}

async function find(
  api: AlertmanagerApi,
  { matchers, mark }: WantedSilence,
): Promise<{ found: Silence[]; nowMs: number }> {
  const { silences, nowMs } = await api.silences(matchers);
  const found = silences.filter(
    (one) =>
      !one.isExpired &&
      one.createdBy === CREATED_BY &&
      one.comment.endsWith(mark) &&
      sameMatchers(one.matchers, matchers),
  );
  return { found, nowMs };
}

/** The replicas tell each other of silences, so the first that answers is enough. */
async function atFirst(
  access: AlertmanagerAccess,
  deps: ApiDeps,
  work: (api: AlertmanagerApi) => Promise<void>,
): Promise<void> {
  const reasons: { message: string; remedy?: string | undefined }[] = [];
  for (const url of access.url) {
    try {
      return await work(new AlertmanagerApi(url, access, deps));
    } catch (error) {
      if (!isHttpFailure(error) && !isOspatchError(error)) throw error;
      const { message, remedy } = error;
      reasons.push({ message, remedy });
    }
  }
  throw new OspatchError({
    type: 'Alertmanager',
    message: reasons.map(({ message }) => message).join('; '),
    ...defined({ remedy: reasons.find(({ remedy }) => remedy !== undefined)?.remedy }),
  });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
