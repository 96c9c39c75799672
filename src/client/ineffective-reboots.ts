/** Ineffective reboots known to a cluster, as input of inspections. */
import { isOspatchError } from '../domain/shared/errors';
import type { IneffectiveReboot } from '../domain/node/reboot';
import { ineffectiveReboots } from '../domain/run/run';
import { readNodes } from './pages';
import type { TemporalCalls } from './temporal-calls';
import { defined } from '../domain/shared/defined';

/** By node name. Empty for a cluster that does not answer or is not applied yet. */
export async function readIneffectiveReboot(
  calls: TemporalCalls,
  cluster: string,
): Promise<Record<string, IneffectiveReboot>> {
  try {
    return ineffectiveReboots(await calls.query(cluster, readNodes));
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return {};
  }
}

/** The part of an input for `nodes`; empty when there is none. */
export function pickIneffectiveReboot(
  nodes: readonly { name: string }[],
  known: Record<string, IneffectiveReboot>,
): { ineffectiveReboots?: Record<string, IneffectiveReboot> } {
  const own = nodes.flatMap(({ name }) => {
    const one = Object.hasOwn(known, name) ? known[name] : undefined;
    return one === undefined ? [] : [[name, one] as const];
  });
  return defined({ ineffectiveReboots: own.length === 0 ? undefined : Object.fromEntries(own) });
}
