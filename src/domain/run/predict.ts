/** What a run would do with one node, from an inspection of the node that changed nothing. */
import type { Check, Finding } from '../inspection/finding';
import type { NodeInspection } from '../inspection/node';
import { outcomeWithOutdated, systemRunsOutdated } from '../node/outdated-code';
import { decidePatch } from '../node/patch';
import type { NodeFacts, PatchPlan } from '../node/report';
import type { NodeOutcome } from '../node/status';
import type { Patching } from '../spec/types';

/**
 * Whether the node would be rebooted. `required`: it needs a reboot already. `likely`: the packages that would change usually
 * ask for one. `possible`: any package may ask for one when it is installed, which nobody knows before. `no`: nothing would
 * change. `unknown`: the node could not be inspected.
 */
export type RebootForecast = 'required' | 'likely' | 'possible' | 'no' | 'unknown';

export interface NodePrediction {
  /** How the node would end; null: not known. */
  outcome: NodeOutcome | null;
  /** Why the node would fail, or why that is not known; null: the node would be brought to the latest patch version. */
  reason: string | null;
  reboot: RebootForecast;
  /** Services on outdated code that are there now; what the packages add is known when they are installed. */
  restarts: string[];
}

type Policy = Pick<Patching, 'rebootIfRequired' | 'restartServices'>;

/** Findings that stop only a node with work to do, because no other is drained. */
const OF_DRAINS: ReadonlySet<Check> = new Set<Check>(['drain', 'kubernetes']);

/** Packages after which distributions ask for a reboot. */
const ASKS_FOR_REBOOT =
  /^(?:linux-(?:image|modules|firmware|lts|virt|rpi|generic)|(?:pve|proxmox|raspberrypi)-kernel|kernel(?:$|-)|(?:intel|amd64?)-(?:microcode|ucode)|microcode_ctl|ucode-|libc6$|glibc$|musl$|systemd$|dbus(?:$|-daemon|-broker)|udev$)/;

/** `inspection` null: the node was not inspected, for the reason that its row has or another. */
export function predictNode(policy: Policy, inspection: NodeInspection | null): NodePrediction {
  const { facts = null, plan = null, findings = [] } = inspection ?? {};
  const reboot = rebootForecast(policy, facts, plan);
  const restarts = facts?.outdated?.services ?? [];
  const predict = (outcome: NodeOutcome | null, reason: string | null = null): NodePrediction => ({
    ...{ outcome, reason, reboot, restarts },
  });
  const errors = findings.filter(({ severity }) => severity === 'error');
  const stop = errors.find(({ check }) => !OF_DRAINS.has(check));
  if (stop !== undefined) return predict('failed', stop.message);
  if (facts === null || plan === null) return predict(null, whyUnknown(findings));
  // What a repair of the package database leads to is not known before it.
  if (facts.packages.problems.length > 0) return predict(null, 'the package database is repaired first');
  const decision = decidePatch({ pending: plan.changes.length }, facts.reboot.required, policy.rebootIfRequired);
  if (decision.do === 'nothing') return predict(outcomeWithOutdated(decision.outcome, facts));
  const drain = errors.find(({ check }) => OF_DRAINS.has(check));
  if (drain !== undefined) return predict('failed', drain.message);
  const staysPending = !policy.rebootIfRequired && (reboot === 'required' || reboot === 'likely');
  return predict(staysPending ? 'reboot-pending' : 'patched');
}

function rebootForecast(policy: Policy, facts: NodeFacts | null, plan: PatchPlan | null): RebootForecast {
  if (facts === null) return 'unknown';
  if (facts.reboot.required) return 'required';
  if (plan === null) return 'unknown';
  if (plan.changes.some(({ name }) => ASKS_FOR_REBOOT.test(name))) return 'likely';
  if (plan.changes.length > 0 || facts.packages.problems.length > 0) return 'possible';
  return systemRunsOutdated(facts) && policy.restartServices?.asReboot === true ? 'likely' : 'no';
}

function whyUnknown(findings: readonly Finding[]): string {
  return findings.find(({ severity }) => severity === 'warning')?.message ?? 'the node was not inspected';
}
