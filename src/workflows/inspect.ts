/** Short workflows that look at nodes through the worker, which holds the keys, and change nothing. */
import type { NodeCheck, ReadLogInput } from '../activities/types';
import type { NodeTarget } from '../domain/spec';
import { inspection } from './activity-options';
import { toErrorInfo } from './failures';

export interface CheckClusterInput {
  targets: NodeTarget[];
  /** How long one node may be out of reach, in milliseconds. */
  unreachableTimeoutMs: number;
}

export async function checkCluster(input: CheckClusterInput): Promise<NodeCheck[]> {
  return Promise.all(
    input.targets.map(async (target): Promise<NodeCheck> => {
      try {
        return await inspection.checkNode.executeWithOptions({ summary: `${target.name}: check` }, [
          { target, unreachableTimeoutMs: input.unreachableTimeoutMs },
        ]);
      } catch (failure) {
        return { node: target.name, ok: false, error: toErrorInfo(failure, `the check of ${target.name}`) };
      }
    }),
  );
}

export async function readNodeLog(input: ReadLogInput): Promise<{ log: string; truncated: boolean }> {
  return inspection.readLog.executeWithOptions({ summary: `${input.target.name}: read the log` }, [input]);
}
