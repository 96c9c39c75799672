/** Short workflows that look at nodes through the worker, which holds the keys, and change nothing. */
import type { NodeCheck, ReadLogInput } from '../activities/types';
import type { DiagnosisPolicy, NodeDiagnosis } from '../domain/diagnosis';
import { diagnoseFailure } from '../domain/diagnosis';
import type { PackagePolicy } from '../domain/package-policy';
import type { NodeTarget } from '../domain/spec';
import { examination, inspection } from './activity-options';
import { toErrorInfo } from './failures';

export interface CheckClusterInput {
  targets: NodeTarget[];
  /** How long one node may be out of reach, in milliseconds. */
  unreachableTimeoutMs: number;
  /** The policy by which pending packages are counted; default: all. */
  packages?: PackagePolicy;
}

export async function checkCluster(input: CheckClusterInput): Promise<NodeCheck[]> {
  return Promise.all(
    input.targets.map(async (target): Promise<NodeCheck> => {
      try {
        return await inspection.checkNode.executeWithOptions({ summary: `${target.name}: check` }, [
          {
            target,
            unreachableTimeoutMs: input.unreachableTimeoutMs,
            ...(input.packages === undefined ? {} : { packages: input.packages }),
          },
        ]);
      } catch (failure) {
        return { node: target.name, ok: false, error: toErrorInfo(failure, `the check of ${target.name}`) };
      }
    }),
  );
}

export interface ExamineNodesInput {
  targets: NodeTarget[];
  policy: DiagnosisPolicy;
  /** Longest time the facts of a node, and after them its pending packages, may take, in milliseconds. */
  limitMs: number;
  /** How long one node may be out of reach, in milliseconds. */
  unreachableTimeoutMs: number;
}

/** All at once: the caller bounds how many there are. A node that fails does not keep the others from being told. */
export async function examineNodes({ targets, ...input }: ExamineNodesInput): Promise<NodeDiagnosis[]> {
  return Promise.all(
    targets.map(async (target): Promise<NodeDiagnosis> => {
      try {
        const options = { summary: `${target.name}: examination` };
        return await examination.examineNode.executeWithOptions(options, [{ ...input, target }]);
      } catch (failure) {
        return diagnoseFailure(target.name, toErrorInfo(failure, `the examination of ${target.name}`));
      }
    }),
  );
}

export async function readNodeLog(input: ReadLogInput): Promise<{ log: string; truncated: boolean }> {
  return inspection.readLog.executeWithOptions({ summary: `${input.target.name}: read the log` }, [input]);
}
