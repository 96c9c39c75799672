/** Implements `helper install`: installs the helper on many nodes with the privileges of the user. */
import { isOspatchError } from '../../../domain/shared/errors';
import type { ErrorInfo } from '../../../domain/shared/errors';
import type { NodeTarget } from '../../../domain/spec/types';
import { helperScript } from '../../../node/helper/script';
import { installHelper } from '../../../node/install';
import { sshTarget } from '../../../node/ssh-target';
import type { PoolOptions } from '../../../ssh/pool';
import { createTransportPool } from '../../../ssh/pool';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';

const AT_ONCE = 16;

export interface Installed {
  node: string;
  /** Null when the helper is installed. */
  error: ErrorInfo | null;
}

/** Results in the order of `targets`. Idempotent. */
export async function installHelpers(targets: readonly NodeTarget[], options: PoolOptions): Promise<Installed[]> {
  const pool = createTransportPool(options);
  const install = async (target: NodeTarget): Promise<Installed> => {
    try {
      await installHelper(target, pool.transport(sshTarget(target)), helperScript());
      return { node: target.name, error: null };
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      return { node: target.name, error: error.toInfo() };
    }
  };
  try {
    return await mapConcurrently(targets, AT_ONCE, install);
  } finally {
    pool.close();
  }
}
