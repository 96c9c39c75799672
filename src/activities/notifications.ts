/** Sends notifications, and tells of the targets in the worker's own file. */
import { Context, activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { NotificationActivities } from '../contract/activities/notification';
import { canEdit } from '../domain/notifications/types';
import { isOspatchError } from '../domain/shared/errors';
import { defined } from '../domain/shared/defined';
import { DeliveryFailure } from '../notifications/failure';
import type { SendDeps } from '../notifications/send';
import { sendMessage } from '../notifications/send';
import { readWorkerTargets } from '../notifications/worker-file';
import type { PolicyFile } from '../policy/policy-file';
import { toApplicationFailure } from './errors';
import type { ActivityLog } from './node';

/** Below the limit of an attempt, so that the attempt says why it has failed. */
const ATTEMPT_MS = 50_000;

export type NotificationDeps = Omit<SendDeps, 'policy' | 'signal'> & { policy: PolicyFile; log: ActivityLog };

export function createNotificationActivities({ policy, log, ...deps }: NotificationDeps): NotificationActivities {
  return {
    notificationDefaults: () => {
      try {
        const targets = readWorkerTargets(deps.notificationsFile);
        return Promise.resolve(
          targets.map((target) => ({
            ...{ name: target.name, on: target.on, fromWorker: true as const },
            ...defined({ canEdit: canEdit(target) ? (true as const) : undefined }),
          })),
        );
      } catch (error) {
        if (isOspatchError(error)) log.warn({ error: error.message }, 'the targets of notifications cannot be read');
        return Promise.reject(toApplicationFailure(error, activityInfo().attempt));
      }
    },
    notify: async (input) => {
      const { cancellationSignal } = Context.current();
      const signal = AbortSignal.any([cancellationSignal, AbortSignal.timeout(ATTEMPT_MS)]);
      const fields = { cluster: input.cluster, target: input.target.name };
      try {
        const sent = await sendMessage(input, { ...deps, policy: policy.current(), signal });
        log.info({ ...fields, answer: sent.answer }, 'notification delivered');
        return sent;
      } catch (error) {
        if (!(error instanceof DeliveryFailure)) throw toApplicationFailure(error, activityInfo().attempt);
        const { message, isTransient, remedy, retryAfterMs } = error;
        log.warn({ ...fields, error: message, retried: isTransient }, 'a notification was not delivered');
        throw ApplicationFailure.create({
          ...{ message, type: 'Notification', nonRetryable: !isTransient },
          details: [{ type: 'Notification', message, ...defined({ remedy }) }],
          ...defined({ nextRetryDelay: retryAfterMs }),
        });
      }
    },
  };
}
