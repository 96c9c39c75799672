/**
 * Refuses activity inputs that were not encrypted with a key of this worker for the workflow that asks, at a worker that requires
 * encryption: Temporal lets anybody schedule an activity who may start a workflow of his own.
 *
 * The failure is retryable. An honest workflow sends plain input only while its own worker has no keys yet, and then its node
 * may be cordoned: it must go on when the keys are there. What somebody else asks for is retried as long as he likes, and
 * nothing is done.
 */
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { wasEncrypted } from '../domain/shared/encrypted-values';
import type { ErrorInfo } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 60_000;

/** For a worker with the setting `OSPATCH_ENCRYPTION_REQUIRED`. */
export function requiredEncryption(): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      execute: async (input, next) => {
        const info = activityInfo();
        // Scheduled by a workflow of this very worker.
        if (info.isLocal) return next(input);
        if (input.args.length === 0 || !input.args.every((one) => wasEncrypted(one))) throw refusal(info);
        // Anybody may send a heartbeat for an activity. Without its details the activity begins anew, as after a lost worker.
        if (!wasEncrypted(info.heartbeatDetails)) Object.assign(info, { heartbeatDetails: undefined });
        return next(input);
      },
    },
  });
}

function refusal({ activityType, taskQueue, attempt }: ReturnType<typeof activityInfo>): ApplicationFailure {
  const info: ErrorInfo = {
    type: 'Denied',
    message: `the worker at the task queue ${taskQueue} requires encryption, and the input of the activity ${plainText(activityType, 100)} was not encrypted for the workflow that asks`,
    remedy:
      'give the workers that run the workflows the same OSPATCH_ENCRYPTION_KEYS; if all of them have the keys, somebody else has scheduled the activity',
  };
  return ApplicationFailure.create({
    ...{ message: info.message, type: info.type, details: [info], nonRetryable: false },
    nextRetryDelay: Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * attempt),
  });
}
