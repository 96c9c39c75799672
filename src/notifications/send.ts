/** Sends one message to one target, once. */
import type { NotifyInput } from '../contract/activities/notification';
import { composeMessage } from '../domain/notifications/compose';
import type { NotificationTarget } from '../domain/notifications/types';
import { isWorkerTarget } from '../domain/notifications/types';
import { decidePolicy } from '../domain/policy/decide';
import { deniedInfo } from '../domain/policy/denied';
import type { Demand } from '../domain/policy/request';
import { notificationDemands } from '../domain/policy/request';
import type { WorkerPolicy } from '../domain/policy/types';
import { OspatchError } from '../domain/shared/errors';
import type { AddressBounds } from '../domain/trust/address-bounds';
import type { CallHttp } from '../http/call';
import { callHttp } from '../http/call';
import { DeliveryFailure, toDeliveryFailure } from './failure';
import { sendEmail } from './email';
import { messageId } from './message-id';
import { sendToProgram } from './program';
import { Secrets } from './secrets';
import type { Sending, Sent } from './sending';
import { sendSlack } from './slack';
import { sendTeams } from './teams';
import { sendWebhook } from './webhook';
import { readWorkerTargets } from './worker-file';

export interface SendDeps {
  /** The file of the worker's own targets; null: none. */
  notificationsFile: string | null;
  secretDir: string | null;
  /** Directory of programs; null: none. */
  notifyDir: string | null;
  /** Null: everything is allowed. */
  policy: WorkerPolicy | null;
  signal: AbortSignal;
  call?: CallHttp;
}

/**
 * @throws DeliveryFailure when the target has not taken the message
 * @throws OspatchError `Denied` when the policy of the worker does not allow it
 */
export async function sendMessage(input: NotifyInput, deps: SendDeps): Promise<Sent> {
  const { secretDir, policy, signal, notifyDir, call = callHttp } = deps;
  const { target, isOwn } = targetOf(input, deps.notificationsFile);
  const secrets = new Secrets(secretDir);
  // The owner of the worker has named the targets of the worker's own file.
  const judge = judgeBy(isOwn ? null : policy, input.cluster, target);
  judge();
  const message = composeMessage(input.cluster, input.report);
  const sending: Sending = { input, message, id: messageId(input), secrets, call, signal, allow: judge };
  try {
    return await dispatch(target, notifyDir, sending);
  } catch (error) {
    throw toDeliveryFailure(error);
  }
}

function dispatch(target: NotificationTarget, notifyDir: string | null, sending: Sending): Promise<Sent> {
  const { webhook, slack, teams, email, program } = target;
  if (webhook !== undefined) return sendWebhook(webhook, sending);
  if (slack !== undefined) return sendSlack(slack, sending);
  if (teams !== undefined) return sendTeams(teams, sending);
  if (email !== undefined) return sendEmail(email, sending);
  if (program !== undefined) return sendToProgram(program, notifyDir, sending);
  throw new OspatchError({ type: 'Refused', message: 'the target of the notification has no kind' });
}

function targetOf({ target }: NotifyInput, file: string | null): { target: NotificationTarget; isOwn: boolean } {
  if (!isWorkerTarget(target)) return { target, isOwn: false };
  const found = readWorkerTargets(file).find(({ name }) => name === target.name);
  if (found !== undefined) return { target: found, isOwn: true };
  throw new DeliveryFailure(
    `the file of the worker (OSPATCH_NOTIFICATIONS) has no target ${target.name}`,
    true,
    'use the same file on all workers of a task queue',
  );
}

function judgeBy(
  policy: WorkerPolicy | null,
  cluster: string,
  target: NotificationTarget,
): (host?: string) => AddressBounds | undefined {
  // Hosts are judged when they are called, since a URL may be in a file.
  const named = notificationDemands(target).filter(({ kind }) => kind !== 'notificationHost');
  const path = `notifications (${target.name})`;
  return (host) => {
    if (policy === null) return undefined;
    const demands: Demand[] =
      host === undefined ? named : [...named, { kind: 'notificationHost', path, host: plainHost(host) }];
    const request = { cluster, demands };
    const verdict = decidePolicy(policy, request);
    if (!verdict.allowed) throw new OspatchError(deniedInfo(request, verdict.denial));
    const [{ rule, limits }] = verdict.grants;
    const [limit] = limits;
    return limit === undefined ? undefined : { networks: limit.networks, rule, cluster, path };
  };
}

function plainHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
