/** All activities, wired to what one worker owns. */
import { createTransportPool } from '../ssh/pool';
import type { TransportPool } from '../ssh/transport';
import { createClusterActivities } from './cluster';
import type { ClusterActivities } from './cluster-types';
import type { ActivityLog } from './node';
import { createNodeActivities } from './node';
import type { NodeActivities } from './types';

export interface ActivityDeps {
  /** Directory of the private keys that `ssh.identity` names. */
  keyDir: string;
  /** Directory of the programs that `patching.powerCycleHook` may name; default none. */
  hookDir?: string | null;
  /** Program and arguments that print the passphrase of the identity named by one more argument. */
  passphraseCommand?: readonly string[];
  log: ActivityLog;
  /** For tests; by default connections of its own. */
  pool?: TransportPool;
  /** Default: Date.now. */
  now?: () => number;
}

export interface Activities {
  activities: NodeActivities & ClusterActivities;
  /** Closes the connections to all nodes. Jobs on nodes go on. */
  close(): void;
}

export function createActivities({
  keyDir,
  hookDir = null,
  passphraseCommand,
  log,
  pool = createTransportPool({ keyDir, ...(passphraseCommand === undefined ? {} : { passphraseCommand }) }),
  now,
}: ActivityDeps): Activities {
  const nodeActivities = createNodeActivities({ pool, log, hookDir, ...(now === undefined ? {} : { now }) });
  return { activities: { ...nodeActivities, ...createClusterActivities(log) }, close: () => pool.close() };
}
