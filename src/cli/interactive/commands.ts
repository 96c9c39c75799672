/** What keys do to a cluster, and the commands that do the same. */
import type { ClusterClient } from '../../client/cluster-client';
import { isOspatchError } from '../../domain/shared/errors';
import { defined } from '../../domain/shared/defined';
import { plainLines } from '../../domain/shared/text';
import { describePaused } from '../commands/pause';
import { describeResumed } from '../commands/resume';
import { shellLine } from '../../domain/shared/shell-words';
import type { GlobalOptions } from '../options/global-options';
import { renderExplanations } from '../render/explain';
import type { StatusView } from '../render/member-cells';
import { describeCutLog, describeNoLog } from '../render/node-log';
import { formatTime, oneLine } from '../render/text';
import type { Order, Reading } from './state';

export type WatchClient = Pick<ClusterClient, 'pause' | 'resume' | 'steer' | 'nodeLog' | 'explain'>;

const MAX_EFFECT = 1_000;

/** The options with which the display was started, so that its commands reach the same server. */
export type ServerOptions = Pick<GlobalOptions, 'address' | 'namespace' | 'profile'>;

/** `ospatch retry prod-eu w-1 --reason 'disk replaced'`. */
export function equivalentCommand(asked: Order | Reading, cluster: string, where: ServerOptions): string {
  const name = 'action' in asked ? asked.action : asked.name;
  const reason = 'action' in asked && asked.reason !== '' ? ['--reason', asked.reason] : [];
  const { address, namespace, profile } = where;
  const options = Object.entries({ address, namespace, profile }).flatMap(([option, value]) =>
    value === undefined ? [] : [`--${option}`, value],
  );
  return shellLine(['ospatch', name, cluster, ...(asked.node === null ? [] : [asked.node]), ...reason, ...options]);
}

/** Sends the order. @returns what happens now, in one sentence */
export async function sendOrder(
  client: WatchClient,
  cluster: string,
  { action, node, reason }: Order,
): Promise<string> {
  const message = defined({ reason: reason || undefined });
  switch (action) {
    case 'pause':
      return describePaused(cluster, await client.pause(cluster, message));
    case 'resume':
      return describeResumed(cluster, await client.resume(cluster, message));
    case 'retry':
    case 'skip': {
      const { effect } = await client.steer(cluster, action, { ...message, node: node ?? '' });
      return `${cluster}: ${oneLine(effect, MAX_EFFECT)}`;
    }
  }
}

/** The text that the user wants to read. */
export async function readForUser(
  client: WatchClient,
  cluster: string,
  { name, node }: Reading,
  view: StatusView,
): Promise<string> {
  if (name === 'explain') {
    const found = await client.explain(cluster, node ?? undefined, (iso) => formatTime(iso, view.zone));
    return renderExplanations(found, view) || 'nothing holds anything up';
  }
  const { log, truncated } = await client.nodeLog(cluster, node ?? '');
  const text = plainLines(log).trimEnd();
  if (text === '') return describeNoLog(node);
  return truncated ? `${text}\n\n${describeCutLog(node)}` : text;
}

/** An error as the message of the display. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const remedy = isOspatchError(error) ? error.remedy : undefined;
  return `error: ${oneLine(message, MAX_EFFECT)}${remedy === undefined ? '' : `\nfix: ${oneLine(remedy, MAX_EFFECT)}`}`;
}
