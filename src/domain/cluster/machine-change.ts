/**
 * Whether a node of a new spec is the machine that it was. Nobody has looked at the machine yet, so this is decided by address
 * and trusted host keys, and where they do not agree by the machine id of the next reading:
 *
 * - both are the same: the same machine, also when its machine id is made anew;
 * - both are others: another machine, a new node;
 * - one of them: renumbered, or installed again or given new host keys; another machine if its machine id is another.
 */
import { addressOf } from '../node/machines';
import type { NodeStatus } from '../node/status';
import { newNodeStatus } from '../node/status';
import type { NodeSpec, SelfManagedSpec } from '../spec/types';
import { defined } from '../shared/defined';

export type MachineChange = 'same' | 'unconfirmed' | 'other';

type Owner = Pick<SelfManagedSpec, 'taskQueue'>;

export function machineChange(
  before: NodeSpec,
  after: NodeSpec,
  owners: { before: Owner; after: Owner },
): MachineChange {
  const isSameAddress = addressOf(before, owners.before.taskQueue) === addressOf(after, owners.after.taskQueue);
  const keys = new Set(before.hostKeys.map(keyOf));
  const isSameKey = after.hostKeys.some((key) => keys.has(keyOf(key)));
  if (isSameAddress && isSameKey) return 'same';
  return isSameAddress || isSameKey ? 'unconfirmed' : 'other';
}

/** Type and key, without the comment. */
function keyOf(line: string): string {
  return line.split(/\s+/).slice(0, 2).join(' ');
}

/** The next reading tells whether it is the same machine. Without a machine id nothing could tell. */
export function unconfirmed(status: NodeStatus): NodeStatus {
  return status.machineId === undefined ? status : { ...status, machineUnconfirmed: true };
}

export function confirmed({ machineUnconfirmed: _, ...status }: NodeStatus): NodeStatus {
  return status;
}

/** A node without a history. A lock is on the name, and stays. */
export function newMachine(
  { name, role }: Pick<NodeSpec, 'name' | 'role'>,
  { patching }: SelfManagedSpec,
  former?: NodeStatus,
): NodeStatus {
  return {
    ...newNodeStatus(name, role, patching.patchOnBoot ? 'pending' : 'not-required'),
    ...defined({ lock: former?.lock }),
  };
}
