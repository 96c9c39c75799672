/**
 * One node group of EKS in one run: described, updated by AWS to the latest release of the Kubernetes version it runs, and
 * described again.
 *
 * The fixed id is the lock on the group. An update that AWS has begun cannot be stopped: cancelled, this waits for its
 * end and tells what came of it. An update that somebody else has begun is followed as ours, and then AWS is asked whether
 * anything is left to update.
 */
import { CancellationScope, isCancellation, setCurrentDetails, setHandler } from '@temporalio/workflow';
import type { BegunUpdate, EksAccess, NodegroupFacts } from '../../domain/eks/node-groups';
import { nodegroupRefusal, updateFailure } from '../../domain/eks/node-groups';
import type { ErrorInfo } from '../../domain/shared/errors';
import type { NodeGroupRecord } from '../../domain/eks/record';
import { nodeGroupSnapshot } from '../../domain/eks/record';
import type { NodeStep } from '../../domain/node/report';
import type { MemberSettled } from '../../domain/cluster/member';
import { renderNodegroupUpdate } from '../../domain/render/node-group';
import type { NodeGroupRunPolicy, RunTrigger } from '../../domain/run/run';
import type { Options } from '../shared/activity-options';
import { awsUncancellable, awsCancellable, local, optionsFor } from '../shared/activity-options';
import { endNodePatch } from '../shared/endings';
import { toErrorInfo } from '../shared/failures';
import { publishNodeEnd } from '../shared/search-attributes';
import { nodePatchQuery } from '../../contract/messages';
import { nodeWorkflowId } from '../../contract/workflow-ids';
import { isObject, isRunOf, requireOwnId } from '../shared/own-id';
import { timedStep } from '../shared/timed-step';
import { defined } from '../../domain/shared/defined';
import { timestamp } from '../shared/timestamp';

/** Updates of others that are waited for, one after the other, before a person has to look who makes so many. */
const MAX_FOREIGN_UPDATES = 10;

export interface UpdateNodegroupInput {
  cluster: string;
  run: number;
  trigger: RunTrigger;
  /** When the run started, ISO 8601. */
  startedAt: string;
  nodeGroup: string;
  policy: NodeGroupRunPolicy;
  /** Names of the search attributes that may be written. Absent: none. */
  searchAttributes?: string[];
}

/** @throws ApplicationFailure with the settled record, when the update has failed */
export async function updateNodegroup(input: UpdateNodegroupInput): Promise<MemberSettled> {
  requireOwnId(
    (id, parent) =>
      id === nodeWorkflowId(input.cluster, input.nodeGroup) &&
      isRunOf(input.cluster, parent) &&
      isObject(input.policy.access),
  );
  const result = await new NodeGroupUpdate(input).run();
  publishNodeEnd(result.outcome, input.searchAttributes);
  return endNodePatch(result);
}

class NodeGroupUpdate {
  private readonly result: NodeGroupRecord;
  private readonly policy: NodeGroupRunPolicy;
  private readonly access: EksAccess;
  private cancelled = false;
  /** An update has ended well. */
  private updated = false;

  constructor(private readonly input: UpdateNodegroupInput) {
    this.policy = input.policy;
    this.access = this.policy.access;
    this.result = newResult(input);
    setHandler(nodePatchQuery, () => this.result, { description: 'How far the update of the node group is.' });
  }

  async run(): Promise<NodeGroupRecord> {
    CancellationScope.current().cancelRequested.catch(() => {
      this.cancelled = true;
    });
    try {
      await this.work();
    } catch (failure) {
      if (isCancellation(failure)) this.endCancelled();
      else this.fail(toErrorInfo(failure, `the update of node group ${this.input.nodeGroup}`));
    }
    await CancellationScope.nonCancellable(() => this.close());
    return this.result;
  }

  private async work(): Promise<void> {
    const before = await this.step('preflight', () => this.describe(false));
    this.note(before, 'before');
    const refusal = nodegroupRefusal(before, this.policy);
    if (refusal !== null) return this.refuse(refusal);
    // What AWS has begun goes on without us, so it is not to be left half-way by a cancel.
    const failure = await this.step('apply', () => this.update(before));
    if (failure === 'cancelled') return this.endCancelled();
    if (this.updated) this.result.appliedAt = timestamp();
    const after = await this.step('verify', () => CancellationScope.nonCancellable(() => this.describe(true)));
    this.note(after, 'after');
    const changed = after.releaseVersion !== before.releaseVersion || after.version !== before.version;
    this.result.appliedAt = changed ? (this.result.appliedAt ?? timestamp()) : null;
    if (failure !== null) return this.fail(failure);
    this.result.outcome = changed ? 'patched' : 'up-to-date';
  }

  /** Null: the group is at the latest release, as far as AWS says. */
  private async update(before: NodegroupFacts): Promise<ErrorInfo | 'cancelled' | null> {
    for (let foreign = 0; foreign < MAX_FOREIGN_UPDATES; foreign += 1) {
      if (this.cancelled) return this.updated ? null : 'cancelled';
      const begun = await CancellationScope.nonCancellable(() => this.begin(before));
      if (begun.state === 'up-to-date') return null;
      const adopted = begun.state === 'in-progress' && begun.adopted;
      const failure = await this.follow(begun, adopted);
      this.updated ||= failure === null && (adopted || begun.state === 'started');
      if (begun.state === 'started') return failure;
      if (adopted && failure !== null) return failure;
    }
    return {
      type: 'Aws',
      message: `node group ${this.input.nodeGroup} was updated by others ${MAX_FOREIGN_UPDATES} times while this run waited for its turn`,
      remedy: 'find out who updates it, then patch again',
    };
  }

  private begin({ version, releaseVersion: found }: NodegroupFacts): Promise<BegunUpdate> {
    const { cluster, run, startedAt, nodeGroup } = this.input;
    const { force } = this.policy;
    return awsUncancellable.beginNodegroupUpdate.executeWithOptions(this.options('request the latest release'), [
      {
        ...{ access: this.access, nodeGroup, version, found, force, request: { cluster, run, startedAt } },
        ...defined({ adopted: this.updated ? (true as const) : undefined }),
      },
    ]);
  }

  private async follow(begun: Exclude<BegunUpdate, { state: 'up-to-date' }>, adopted: boolean) {
    const { nodeGroup } = this.input;
    const { updateId } = begun;
    const foreign = begun.state === 'in-progress';
    const what = `${foreign ? `a ${begun.type} started by someone else` : 'the update'} (${updateId}) of node group ${nodeGroup} at AWS`;
    if (adopted || !foreign) {
      this.result.updateId = updateId;
      this.result.adopted = adopted;
      this.show();
    }
    const input = { access: this.access, nodeGroup, updateId, what };
    const options = this.options(`wait for ${what}`);
    // A change of another kind is not ours to wait for once nothing is wanted any more.
    if (foreign && !adopted) {
      await awsCancellable.followNodegroupUpdate.executeWithOptions(options, [input]);
      return null;
    }
    const ended = await CancellationScope.nonCancellable(() =>
      awsUncancellable.followNodegroupUpdate.executeWithOptions(options, [input]),
    );
    return updateFailure(nodeGroup, ended, adopted);
  }

  private describe(afterUpdate: boolean): Promise<NodegroupFacts> {
    const { nodeGroup } = this.input;
    const activities = afterUpdate ? awsUncancellable : awsCancellable;
    return activities.describeNodegroup.executeWithOptions(this.options('release, status, health'), [
      { access: this.access, nodeGroup, afterUpdate },
    ]);
  }

  private options(what: string): Options {
    return optionsFor({ name: this.input.nodeGroup }, this.input.policy, what);
  }

  private note(facts: NodegroupFacts, when: 'before' | 'after'): void {
    const { endOfLife } = facts;
    this.result.warnings = endOfLife === undefined ? [] : [endOfLife];
    this.result[when] = nodeGroupSnapshot(facts, timestamp());
    this.show();
  }

  private step<T>(step: NodeStep, body: () => Promise<T>): Promise<T> {
    return timedStep(this.result.steps, () => this.show(), step, body);
  }

  private refuse(why: string): void {
    this.result.outcome = this.policy.skipRefused ? 'skipped' : 'failed';
    this.result.error = { type: 'Policy', message: why };
  }

  private fail(error: ErrorInfo): void {
    this.result.outcome = 'failed';
    this.result.error = error;
  }

  private endCancelled(): void {
    this.result.outcome = 'cancelled';
    const message = `the update was cancelled before node group ${this.input.nodeGroup} was updated`;
    this.result.error = { type: 'Cancelled', message };
  }

  private async close(): Promise<void> {
    this.result.endedAt = timestamp();
    this.show();
    try {
      const { cluster, trigger } = this.input;
      await local.recordAudit({ cluster, trigger, result: this.result });
    } catch {
      // What cannot be written down must not fail the group; its run knows how it ended.
    }
  }

  private show(): void {
    setCurrentDetails(renderNodegroupUpdate(this.input.cluster, this.input.trigger, this.result));
  }
}

function newResult({ nodeGroup, run }: UpdateNodegroupInput): NodeGroupRecord {
  return {
    kind: 'node-group',
    ...{ node: nodeGroup, run, outcome: 'failed', startedAt: timestamp(), endedAt: '', appliedAt: null },
    ...{ before: null, after: null, updateId: null, adopted: false, warnings: [], steps: [], error: null },
  };
}
