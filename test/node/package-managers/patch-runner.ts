/** Preflight, apply and repair of one node under one token, as called by `patchNode`. */
import type { LabNode } from '../../../tools/lab/lab-node';
import type { ApplyReport, NodeFacts, UnreachableNode, PatchPlan, PhaseOutcome } from '../../../src/domain/node/report';
import type { PackagePolicy } from '../../../src/domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../../src/domain/spec/package-policy';
import type { ActivityRunner } from '../support';
import { targetOf, token } from '../support';

const LIMIT_MS = 120_000;

export interface PatchRun {
  facts: NodeFacts;
  plan: PatchPlan;
  /** The plan as `name from to`, sorted. */
  changes: string[];
  jobToken: string;
  packages: PackagePolicy;
  apply(): Promise<PhaseOutcome<ApplyReport> | UnreachableNode>;
  repair(): Promise<PhaseOutcome<ApplyReport> | UnreachableNode>;
}

export type PatchRunner = (policy?: Partial<PackagePolicy>, jobToken?: string, attempt?: number) => Promise<PatchRun>;

export function patchRunner(activities: ActivityRunner, node: LabNode): PatchRunner {
  return async (policy = {}, jobToken = token(), attempt = 1) => {
    const packages = { ...DEFAULT_PACKAGE_POLICY, ...policy };
    const input = { target: targetOf(node), token: jobToken, packages, attempt };
    const { plan, facts } = await activities.run('preflight', {
      ...input,
      withoutDrain: true,
      unreachableTimeoutMs: LIMIT_MS,
    });
    const more = { packageManager: facts.packageManager, lostTimeoutMs: LIMIT_MS };
    const planned = { planDigest: plan.digest, planned: plan.changes.length };
    return {
      facts,
      plan,
      changes: plan.changes.map(({ name, from, to }) => `${name} ${from} ${to}`).toSorted(),
      jobToken,
      packages,
      apply: () => activities.run('apply', { ...input, ...more, ...planned }),
      repair: () => activities.run('repair', { ...input, ...more }),
    };
  };
}
