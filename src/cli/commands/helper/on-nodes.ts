/** One action on many nodes over SSH, with the privileges of the user. */
import { isOspatchError } from '../../../domain/shared/errors';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import type { NodeTarget } from '../../../domain/spec/types';
import { sshTarget } from '../../../node/ssh-target';
import type { PoolOptions } from '../../../ssh/pool';
import { createTransportPool } from '../../../ssh/pool';
import type { Transport } from '../../../ssh/transport';

const AT_ONCE = 16;

export interface NodeResult<T> {
  node: string;
  /** Null when the action failed. */
  value: T | null;
  /** Null when it succeeded. */
  error: ErrorInfo | null;
}

/** Results in the order of `targets`. */
export async function onNodes<T>(
  targets: readonly NodeTarget[],
  options: PoolOptions,
  act: (target: NodeTarget, transport: Transport) => Promise<T>,
): Promise<NodeResult<T>[]> {
  const pool = createTransportPool(options);
  const result = async (target: NodeTarget): Promise<NodeResult<T>> => {
    try {
      return { node: target.name, value: await act(target, pool.transport(sshTarget(target))), error: null };
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      return { node: target.name, value: null, error: error.toInfo() };
    }
  };
  try {
    return await mapConcurrently(targets, AT_ONCE, result);
  } finally {
    pool.close();
  }
}
