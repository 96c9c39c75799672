/** Restarts services of a node that run outdated code, once per patch, according to the policy. */
import type { NodeFacts } from '../../domain/node/report';
import { describeOutdated, systemRunsOutdated } from '../../domain/node/outdated-code';
import type { RestartPolicy } from '../../domain/spec/restart-policy';
import { restartsRuntime } from '../../domain/spec/restart-policy';
import { leavesUnchanged } from '../../domain/run/window-end';
import { toErrorInfo } from '../shared/failures';
import type { NodeRecord } from './record';
import type { NodeSteps } from './steps';

/** Services named with their reasons; the rest is counted. */
const MAX_REASONS = 4;

export class NodeRestarts {
  /** Jobs so far. A boot restarts everything, so one job is enough. */
  private jobs = 0;

  constructor(
    private readonly policy: RestartPolicy,
    private readonly record: NodeRecord,
  ) {}

  /** Whether a restart is required and was not attempted yet. */
  due({ outdated }: NodeFacts): boolean {
    return this.jobs === 0 && this.policy.mode !== 'never' && (outdated?.services.length ?? 0) > 0;
  }

  /** Whether one of the services is a container runtime that is restarted, which requires a drain. */
  needDrain({ outdated }: NodeFacts): boolean {
    const blocked = new Set(
      outdated?.blockers?.flatMap(({ service, blocker }) => (blocker === 'runtime' ? [] : [service])),
    );
    return restartsRuntime(outdated?.services.filter((name) => !blocked.has(name)) ?? [], this.policy);
  }

  /** Outdated code counts as a reboot reason only after the possible restarts. */
  asReboot(facts: NodeFacts, mayReboot: boolean): boolean {
    return this.policy.asReboot && mayReboot && systemRunsOutdated(facts) && !this.due(facts);
  }

  /** The facts for the reboot decision. Outdated code that survived a reboot is no reason for another one, and that of users for none. */
  withReboot(facts: NodeFacts, mayReboot: boolean, reboots: number): NodeFacts {
    if (facts.outdated === undefined || reboots > 0 || !this.asReboot(facts, mayReboot)) return facts;
    const reason = `${describeOutdated(facts.outdated)} on replaced code (patching.restartServices.asReboot)`;
    this.record.noteRebootReason(reason);
    return { ...facts, reboot: { required: true, reasons: [...facts.reboot.reasons, reason] } };
  }

  /** Returns false when a service is not active afterwards; the record names it. */
  async run(steps: NodeSteps, drained: boolean): Promise<boolean> {
    this.jobs += 1;
    try {
      const outcome = await steps.restart(this.policy, drained, this.jobs);
      if (outcome.state === 'interrupted') {
        this.record.addWarning({
          kind: 'restart-pending',
          message: 'the restart of services was interrupted half-way',
          remedy: null,
        });
        return true;
      }
      const { restarted, skipped, error } = outcome.result;
      this.record.result.restarts = { restarted, skipped };
      return error === null || this.record.fail(error);
    } catch (failure) {
      const error = toErrorInfo(failure, 'the restart of services');
      if (leavesUnchanged(error.type)) throw failure;
      return this.record.fail(error);
    }
  }

  /** Records why services still run outdated code: skipped, or restarted without effect. */
  sayWhatIsLeft({ outdated }: NodeFacts): void {
    const { restarted, skipped } = this.record.result.restarts ?? { restarted: [], skipped: [] };
    // The warning of the node names the remedy where a restart is not one.
    const isListed = (names: readonly string[]): boolean =>
      names.every((name) => outdated?.blockers?.some(({ service }) => service === name));
    const left = skipped.filter(({ name }) => outdated?.services.includes(name));
    if (left.length > 0) {
      const named = left.map(({ name, reason }) => `${name} (${reason})`);
      this.record.addWarning({
        kind: 'restart-pending',
        message: `not restarted: ${listed(named)}`,
        remedy: isListed(left.map(({ name }) => name))
          ? null
          : 'resolve the reasons and restart the services by hand, or reboot the node',
      });
    }
    const stillOutdated = restarted.filter((name) => outdated?.services.includes(name));
    if (stillOutdated.length > 0) {
      this.record.addWarning({
        kind: 'restart-pending',
        message: `restarted, but still running replaced code: ${listed(stillOutdated)}`,
        remedy: isListed(stillOutdated)
          ? null
          : 'check `systemctl status` for processes that the restart did not end, and end them, or reboot the node',
      });
    }
  }
}

function listed(names: readonly string[]): string {
  const more = names.length > MAX_REASONS ? ` and ${names.length - MAX_REASONS} more` : '';
  return `${names.slice(0, MAX_REASONS).join(', ')}${more}`;
}
