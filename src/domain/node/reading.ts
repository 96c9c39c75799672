/** Reduces the facts of a node to the reading that the cluster keeps. */
import type { NodeFacts, PlanSummary } from './report';
import type { NodeReading } from './status';
import { MAX_STATUS_WARNINGS, mergeWarnings } from './warning';
import { countOutdated, runsOutdated } from './outdated-code';
import type { IneffectiveReboot } from './reboot';
import { discountIneffectiveReboot } from './reboot';
import { defined } from '../shared/defined';

/**
 * `ineffective`: the last ineffective reboot known to the cluster. Without a plan the number of pending packages is
 * unknown.
 */
export function readingFromFacts(
  read: NodeFacts,
  ineffective: IneffectiveReboot | null,
  at: string,
  plan: Pick<PlanSummary, 'pending' | 'warnings' | 'security'> | null,
): NodeReading {
  const facts = discountIneffectiveReboot(read, ineffective);
  return {
    at,
    osVersion: facts.osVersion,
    kernel: facts.kernelRunning,
    pendingUpdates: plan === null ? null : plan.pending,
    rebootRequired: facts.reboot.required,
    ...defined({
      restartRequired: runsOutdated(facts) ? (true as const) : undefined,
      securityUpdates: plan?.pending === 0 ? 0 : plan?.security,
      outdatedCount: countOutdated(facts.outdated),
    }),
    packageSetDigest: facts.packages.digest,
    ...defined({ machineId: typeof facts.machineId === 'string' ? facts.machineId : undefined }),
    warnings: mergeWarnings(plan?.warnings ?? [], facts.warnings).slice(0, MAX_STATUS_WARNINGS),
  };
}
