/**
 * Rejects activity inputs that this worker may not fully understand: an older worker would ignore what a newer release
 * has added, such as a restriction. The failure is retryable, because another worker, or this one after its upgrade,
 * can run the activity.
 */
import { activityInfo } from '@temporalio/activity';
import type { Payload } from '@temporalio/common';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { ProtocolHeader } from '../contract/protocol';
import { OLDEST_PROTOCOL, PROTOCOL, PROTOCOL_HEADER, describeProtocol, readProtocolHeader } from '../contract/protocol';
import type { ErrorInfo } from '../domain/shared/errors';

/** The task queue may have newer workers too, so the first retries come soon. */
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 60_000;

/** The protocols that a worker supports. */
export interface SupportedProtocols {
  /** Version of ospatch. */
  version: string;
  oldest: number;
  newest: number;
}

/** The protocols that this release supports. */
export function supportedProtocols(version: string): SupportedProtocols {
  return { version, oldest: OLDEST_PROTOCOL, newest: PROTOCOL };
}

/** Rejects activities whose input has an unsupported protocol number, or none. */
export function protocolInterceptor(supported: SupportedProtocols): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      execute: async (input, next) => {
        const { isLocal, activityType, taskQueue, attempt } = activityInfo();
        if (isLocal) return next(input);
        const mismatch = findMismatch(readHeader(input.headers[PROTOCOL_HEADER]), supported, activityType, taskQueue);
        if (mismatch !== null) throw refusal(mismatch, attempt);
        return next(input);
      },
    },
  });
}

/** The implementation of all activities that the worker does not have. */
export function unknownActivity({ version, newest }: SupportedProtocols): () => Promise<never> {
  return () => {
    const { activityType, taskQueue, attempt } = activityInfo();
    const info: ErrorInfo = {
      type: 'WorkerProtocol',
      message: `the worker at the task queue ${taskQueue} runs ospatch ${version} (protocol ${newest}), which does not know the activity ${activityType}`,
      remedy: `upgrade the workers of the task queue ${taskQueue} to the version of the workers that run the workflows`,
    };
    return Promise.reject(refusal(info, attempt));
  };
}

function findMismatch(
  needed: ProtocolHeader | null,
  { version, oldest, newest }: SupportedProtocols,
  activity: string,
  taskQueue: string,
): ErrorInfo | null {
  const worker = `the worker at the task queue ${taskQueue} runs ospatch ${version}`;
  if (needed === null) {
    return {
      type: 'WorkerProtocol',
      message: `${worker}, and the input of the activity ${activity} names no protocol number`,
      remedy: 'start activities of ospatch through its own workflows only, and run all workers from released packages',
    };
  }
  if (needed.protocol > newest) {
    return {
      type: 'WorkerProtocol',
      message: `${worker}, which supports protocol ${newest}; the activity ${activity} needs ${describeProtocol(needed)}`,
      remedy: `upgrade the workers of the task queue ${taskQueue}; the step then continues by itself`,
      details: { needed: { ...needed }, taskQueue },
    };
  }
  if (needed.protocol < oldest) {
    return {
      type: 'WorkerProtocol',
      message: `${worker}, which supports protocol ${oldest} and newer; the activity ${activity} was started with protocol ${needed.protocol}`,
      remedy: `upgrade the workers that run the workflows, or downgrade the workers of the task queue ${taskQueue} to the version of these`,
    };
  }
  return null;
}

function readHeader(payload: Payload | undefined): ProtocolHeader | null {
  if (payload === undefined) return null;
  try {
    return readProtocolHeader(defaultPayloadConverter.fromPayload(payload));
  } catch {
    return null;
  }
}

function refusal(info: ErrorInfo, attempt: number): ApplicationFailure {
  return ApplicationFailure.create({
    message: info.message,
    type: info.type,
    nonRetryable: false,
    nextRetryDelay: Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * attempt),
    details: [info],
  });
}
