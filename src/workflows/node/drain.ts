/**
 * The part of a node patch that Kubernetes sees: drained before the work, healthy and uncordoned after it.
 *
 * From the moment a cordon has been asked for it is taken off again, however the patch ends; what others have cordoned
 * stays as it is, which the activities see to.
 */
import { CancellationScope, isCancellation, sleep, upsertMemo } from '@temporalio/workflow';
import { ownersOf } from '../../domain/node/reboot-owners';
import type { MachineIdentity } from '../../domain/kubernetes/types';
import type { DrainInput, KubernetesTarget } from '../../contract/activities/kubernetes';
import { parseDuration } from '../../domain/shared/duration';
import { HOUR_MS, MINUTE_MS } from '../../domain/shared/time-units';
import type { ErrorInfo } from '../../domain/shared/errors';
import type {
  DrainPreview,
  EvictedWorkload,
  KubernetesBaseline,
  KubernetesPolicy,
  WorkloadName,
} from '../../domain/kubernetes/types';
import {
  apiSilent,
  drainBlocked,
  drainTimeout,
  leftCordoned,
  staysCordoned,
  newDrainRecord,
  noMachineId,
  noteDrain,
} from '../../domain/kubernetes/drain-record';
import type { DrainRecord } from '../../domain/kubernetes/drain-record';
import type { NodeFacts } from '../../domain/node/report';
import type { NodePatchPolicy } from '../../domain/run/run';
import type { NodeSpec } from '../../domain/spec/types';
import type { Options } from '../shared/activity-options';
import { kubernetes, optionsFor } from '../shared/activity-options';
import { denialIn, isTimeout, toErrorInfo } from '../shared/failures';
import type { NodeRecord } from './record';
import type { PatchNodeInput } from './input';
import type { NodeOutage } from './outage';
import type { ReleasableWaits } from './release';
import type { PatchWindow } from './window';
import { LOST_TIMEOUT_MS, NOTICE_AFTER_MS } from './unreachable';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** A request to cordon that nobody waits for any more may still be on its way to the API server. */
const IN_FLIGHT_CORDON_GRACE = '5 seconds';

export class NodeDrain {
  private mayBeCordoned = false;
  /** The cordon was asked for and its answer has not come. */
  private cordonOpen = false;
  private machineId: string | null = null;
  private baseline: KubernetesBaseline | null = null;
  private workloads: EvictedWorkload[] = [];
  private readonly target: KubernetesTarget;

  constructor(
    private readonly input: PatchNodeInput,
    private readonly policy: KubernetesPolicy,
    private readonly record: NodeRecord,
    private readonly waits: ReleasableWaits,
    private readonly notices: { notifyRun(message: string): Promise<void> },
    /** What the node is kept in service by. */
    private readonly gates: { outage: NodeOutage; window: PatchWindow },
  ) {
    this.target = kubernetesTarget(input.cluster, input.node, policy);
  }

  /** Returns false when the node must not be patched now; the record says why. */
  async prepare(facts: NodeFacts): Promise<boolean> {
    const machine = machineOf(facts);
    if (machine === null) return this.record.fail(noMachineId(this.input.node.name));
    this.machineId = machine.machineId;
    return this.record.step('drain', () => this.drain(machine));
  }

  private async drain(machine: MachineIdentity): Promise<boolean> {
    const { cluster, run, node, policy } = this.input;
    const { target } = this;
    const { unreachableTimeoutMs } = policy;
    let preview = await this.preview(machine);
    if (preview === null) return false;
    const { granted, waitedLong } = await this.gates.outage.request('drain');
    if (!granted) return false;
    if (waitedLong) preview = await this.preview(machine);
    if (preview === null) return false;

    const noted = newDrainRecord(target.nodeName, preview.cordonedBy);
    this.record.result.drain = noted;
    this.warnOfWorker(preview);
    const owner = { cluster, node: node.name, run, token: this.record.result.token };
    const input = { target, machine, owner, unreachableTimeoutMs };
    this.gates.window.noteCordon();
    this.mayBeCordoned = true;
    this.cordonOpen = true;
    this.baseline = await kubernetes.cordon.executeWithOptions(this.options('cordon'), [input]);
    this.cordonOpen = false;
    // Nobody takes the cordon of others off.
    if (preview.cordonedBy !== 'others') this.noteCordoned(noted, timestamp());
    return this.evict(`drain ${preview.evict} pods`, noted, {
      ...input,
      planned: { evict: preview.evict, workloads: preview.workloads ?? [] },
    });
  }

  /** A run that stands still while its only worker is away with the node has said so before. */
  private warnOfWorker({ worker }: DrainPreview): void {
    if (worker !== undefined && worker.warning !== null) this.record.addWarning(worker.warning);
  }

  /** What the drain would do; null when it must not begin, and the record says why. */
  private async preview(machine: MachineIdentity): Promise<DrainPreview | null> {
    const { cluster, node, policy } = this.input;
    const { target } = this;
    const { unreachableTimeoutMs } = policy;
    const preview = await kubernetes.drainPreview.executeWithOptions(this.options('drain preview'), [
      {
        target,
        machine,
        policy: this.policy.drain,
        ...ownersOf(this.policy, policy.ignoredOwners),
        unreachableTimeoutMs,
      },
    ]);
    // Left by a node patch that was terminated: nobody else takes it off.
    this.mayBeCordoned = preview.cordonedBy === 'ospatch';
    const blocked = drainBlocked(cluster, node.name, preview);
    if (blocked === null) return preview;
    this.record.result.drain = newDrainRecord(target.nodeName, preview.cordonedBy);
    this.record.fail(blocked);
    return null;
  }

  /**
   * Before a reboot: what somebody has let in since the drain leaves first. Returns false when the node must not be
   * rebooted; the record says why. A cancellation is left to whoever decides on the reboot.
   */
  async redrain(): Promise<boolean> {
    const { cluster, run, node, policy } = this.input;
    const { token, drain: noted, before, after } = this.record.result;
    const { machineId, target } = this;
    const bootId = kernelBootIdOf(after ?? before);
    // Where pods were left on purpose, they are left now too.
    if (machineId === null || bootId === undefined || noted?.state !== 'drained') return true;
    const owner = { cluster, node: node.name, run, token };
    const { unreachableTimeoutMs } = policy;
    try {
      return await this.record.step('drain', () =>
        this.evict('check that the node is still drained', noted, {
          ...{ target, machine: { machineId, bootId }, owner, unreachableTimeoutMs },
          again: true,
        }),
      );
    } catch (failure) {
      if (!isCancellation(failure)) throw failure;
      return true;
    }
  }

  private async evict(
    what: string,
    noted: DrainRecord,
    input: Omit<DrainInput, 'policy' | 'startedAt'>,
  ): Promise<boolean> {
    const { node } = this.input;
    const drain = kubernetes.drain.executeWithOptions(this.options(what), [
      { ...input, policy: this.policy.drain, startedAt: timestamp() },
    ]);
    const report = await drain.catch((failure: unknown) => {
      noted.evicted += evictedBefore(failure);
      throw failure;
    });
    noteDrain(noted, report);
    this.workloads = [...this.workloads, ...report.workloads.filter((one) => !this.workloads.some(isSame(one)))];
    if (report.state === 'drained' || this.policy.drain.onDrainTimeout === 'proceed') return true;
    const error = drainTimeout(node.name, this.policy.drain.timeout, report);
    const mayBeSkipped = this.policy.drain.onDrainTimeout === 'skip-node' && input.again === undefined;
    return mayBeSkipped ? this.record.skip(error) : this.record.fail(error);
  }

  /** The node as Kubernetes sees it, compared with what it was before the drain. Throws when it is not well. */
  async awaitHealthy(): Promise<void> {
    const { before, after } = this.record.result;
    const { baseline, target, machineId } = this;
    const bootId = kernelBootIdOf(after ?? before);
    if (baseline === null || machineId === null || bootId === undefined) return;
    await this.unlessCancelled('check the health in Kubernetes', (options) =>
      kubernetes.awaitHealthy.executeWithOptions(options, [
        { target, machine: { machineId, bootId }, baseline, timeoutMs: parseDuration(this.policy.health.readyTimeout) },
      ]),
    );
  }

  /** Never throws: what cannot be taken off is said in the record. */
  async release(): Promise<void> {
    if (!this.mayBeCordoned) return;
    const { cluster, node, policy } = this.input;
    const error = await this.record.step('uncordon', async () => {
      if (this.cordonOpen)
        await CancellationScope.nonCancellable(() =>
          sleep(IN_FLIGHT_CORDON_GRACE, { summary: 'let a cordon that was begun end before the uncordon' }),
        );
      return uncordonOwn(cluster, node, policy, {
        run: (body) => this.waits.run('uncordon', body, (how) => ({ type: 'KubernetesApi', message: how })),
        onLong: () => this.notices.notifyRun(waitsForUncordon(cluster, node.name)),
      });
    });
    if (error === null) {
      if (this.record.result.drain?.cordonedAt !== undefined) this.noteCordoned(this.record.result.drain, null);
      return;
    }
    const before = this.record.result.error;
    this.record.result.outcome = 'failed';
    this.record.result.error = leftCordoned(cluster, node.name, error, before);
  }

  /** In the list of workflows too, where metrics read for how long a node in work has been cordoned. */
  private noteCordoned(drain: DrainRecord, at: string | null): void {
    if (at === null) delete drain.cordonedAt;
    else drain.cordonedAt = at;
    upsertMemo({ cordonedAt: at });
  }

  /** The cordon stays, and the record says why. */
  leaveCordoned(why: 'running' | 'unknown'): void {
    const { error } = this.record.result;
    if (!this.mayBeCordoned || error === null) return;
    this.record.result.error = staysCordoned(this.input.cluster, this.input.node.name, why, error);
  }

  /** A node with nothing to do may still have the cordon of a node patch that was terminated. */
  async removeStaleCordon(): Promise<void> {
    const { node, policy } = this.input;
    const { target } = this;
    const options = {
      ...this.options('uncordon, if left cordoned'),
      scheduleToCloseTimeout: policy.unreachableTimeoutMs,
    };
    try {
      await kubernetes.uncordon.executeWithOptions(options, [{ target, owner: 'any' }]);
    } catch (failure) {
      // The node is as it was found, and up to date.
      if (isCancellation(failure)) return;
      this.record.fail(
        isTimeout(failure) && denialIn(failure) === null
          ? apiSilent(node.name, policy.unreachableTimeoutMs)
          : (denialIn(failure) ?? toErrorInfo(failure, `the uncordon of ${node.name}`)),
      );
    }
  }

  /** Throws when the workloads that had to leave are not available again in time. */
  async awaitWorkloads(): Promise<void> {
    const { workloadsTimeout } = this.policy.health;
    const { target, workloads } = this;
    if (workloadsTimeout === undefined || workloads.length === 0) return;
    await this.unlessCancelled(`wait for ${workloads.length} evicted workloads`, (options) =>
      kubernetes.awaitWorkloads.executeWithOptions(options, [
        { target, workloads, timeoutMs: parseDuration(workloadsTimeout) },
      ]),
    );
  }

  /** The patch itself is done by then: a run that is cancelled gives up the look, not the node. */
  private async unlessCancelled(what: string, look: (options: Options) => Promise<void>): Promise<void> {
    try {
      await this.record.step('verify', () => look(this.options(what)));
    } catch (failure) {
      if (!isCancellation(failure)) throw failure;
    }
  }

  private options(what: string): Options {
    return optionsFor(this.input.node, this.input.policy, what);
  }
}

const UNCORDON_TIMED_OUT: ErrorInfo = {
  type: 'KubernetesApi',
  message: `the Kubernetes API server has not confirmed the uncordon within ${LOST_TIMEOUT_MS / HOUR_MS} h`,
};

/** A wait for an API server that has no end but a person's. */
interface EndlessWait {
  run<T>(body: () => Promise<T>): Promise<T>;
  /** Called when it has lasted for 30 min. */
  onLong(): Promise<void>;
}

/**
 * Takes off whatever cordon this cluster has put on the node: for as long as it takes where a person can end the wait, else
 * for a day. Null when it is off, or was not there.
 */
export function uncordonOwn(
  cluster: string,
  node: NodeSpec,
  policy: NodePatchPolicy,
  wait: EndlessWait | null = null,
): Promise<ErrorInfo | null> {
  if (policy.kubernetes === undefined) return Promise.resolve(null);
  const target = kubernetesTarget(cluster, node, policy.kubernetes);
  const options = optionsFor(node, policy, 'uncordon');
  const within = (scheduleToCloseTimeout: number): Promise<boolean> =>
    kubernetes.uncordon.executeWithOptions({ ...options, scheduleToCloseTimeout }, [{ target, owner: 'any' }]);
  const remove = async ({ onLong }: EndlessWait): Promise<boolean> => {
    try {
      return await within(NOTICE_AFTER_MS);
    } catch (failure) {
      if (!isTimeout(failure)) throw failure;
    }
    await onLong();
    return kubernetes.uncordon.executeWithOptions(options, [{ target, owner: 'any' }]);
  };
  return CancellationScope.nonCancellable(async () => {
    try {
      if (wait === null) await within(LOST_TIMEOUT_MS);
      else await wait.run(() => remove(wait));
      return null;
    } catch (failure) {
      const denied = denialIn(failure);
      if (denied !== null) return denied;
      return isTimeout(failure) ? UNCORDON_TIMED_OUT : toErrorInfo(failure, `the uncordon of ${node.name}`);
    }
  });
}

function waitsForUncordon(cluster: string, node: string): string {
  const minutes = NOTICE_AFTER_MS / MINUTE_MS;
  return `${node} could not be uncordoned for ${minutes} min; ospatch tries again until the Kubernetes API server answers, or until \`ospatch release ${cluster} ${node}\``;
}

/** Pods that a failed drain has evicted. */
function evictedBefore(failure: unknown): number {
  const evicted = isCancellation(failure) ? undefined : toErrorInfo(failure, 'the drain').details?.['evicted'];
  return typeof evicted === 'number' ? evicted : 0;
}

function isSame(one: WorkloadName): (other: WorkloadName) => boolean {
  return ({ namespace, kind, name }) => one.namespace === namespace && one.kind === kind && one.name === name;
}

export function kubernetesTarget(
  cluster: string,
  { name, kubernetesName }: Pick<NodeSpec, 'name' | 'kubernetesName'>,
  { kubeconfig, context }: KubernetesPolicy,
): KubernetesTarget {
  const access = { kubeconfig, ...defined({ context }) };
  return { cluster, node: name, nodeName: kubernetesName ?? name, access };
}

/** Null when the machine does not say its id. */
export function machineOf({ machineId, ...boot }: NodeFacts): MachineIdentity | null {
  return machineId === undefined || machineId === null ? null : { machineId, bootId: kernelBootIdOf(boot) ?? '' };
}

/** The boot id as a kubelet reports it. */
function kernelBootIdOf(seen: Pick<NodeFacts, 'bootId' | 'kernelBootId'> | null): string | undefined {
  return seen?.kernelBootId ?? seen?.bootId;
}
