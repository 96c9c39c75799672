/**
 * Cuts the power of a node through a hook of the worker. The workflow does so only to a node that does not come back from its
 * reboot; the worker finds out itself what it can, because anybody who may write to the namespace can ask for it.
 */
import { activityInfo, getClient } from '@temporalio/activity';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { ErrorType } from '../domain/shared/errors';
import type { NodeTarget } from '../domain/spec/types';
import { sshTarget } from '../node/ssh-target';
import type { TransportPool } from '../ssh/transport';

/** Activities during which the packages or services of a node may be changing. */
const CHANGES: ReadonlySet<string> = new Set(['apply', 'repair', 'restart', 'reboot']);

/** A node that shuts down or boots may refuse logins. */
const NO_ANSWER: ReadonlySet<ErrorType> = new Set<ErrorType>(['Unreachable', 'AuthFailed']);

const ANSWERS_WITHIN_MS = 10_000;

/** The nodes that this worker is changing. */
export class ChangesInProgress {
  private readonly nodes = new Map<string, number>();

  has(target: NodeTarget): boolean {
    return keysOf(target).some((key) => this.nodes.has(key));
  }

  async during<R>(target: NodeTarget, change: () => Promise<R>): Promise<R> {
    const keys = keysOf(target);
    for (const key of keys) this.nodes.set(key, (this.nodes.get(key) ?? 0) + 1);
    try {
      return await change();
    } finally {
      for (const key of keys) {
        const others = (this.nodes.get(key) ?? 1) - 1;
        if (others === 0) this.nodes.delete(key);
        else this.nodes.set(key, others);
      }
    }
  }
}

/** A node is the same under another name or in another cluster, unless it is reached on another way. */
function keysOf({ cluster, name, host, ssh }: NodeTarget): string[] {
  const way = [...(ssh.jump ?? []), { host, port: ssh.port }].map((hop) => `${hop.host} ${hop.port}`);
  return [`node ${cluster}/${name}`, `way ${way.join(' ')}`];
}

/**
 * @throws OspatchError `PowerCycle` when a change is in progress on the node, as far as this worker and Temporal know, or when the
 * node answers
 */
export async function assertMayPowerCycle(
  target: NodeTarget,
  { changes, pool, signal }: { changes: ChangesInProgress; pool: TransportPool; signal: AbortSignal },
  pendingActivities: () => Promise<string[]> = pendingInWorkflow,
): Promise<void> {
  const { name } = target;
  if (changes.has(target)) throw refusal(name, 'this worker is changing it');
  const change = (await pendingActivities()).find((activity) => CHANGES.has(activity));
  if (change !== undefined) throw refusal(name, `its ${change} is in progress`);
  const answer = await answerOf(target, pool, signal);
  if (answer !== null) throw refusal(name, answer);
}

/** What the node answers; null: nothing that is an answer. */
async function answerOf(target: NodeTarget, pool: TransportPool, signal: AbortSignal): Promise<string | null> {
  const transport = pool.ownTransport(sshTarget(target));
  try {
    await transport.exec(':', { timeoutMs: ANSWERS_WITHIN_MS, signal });
    return 'it answers';
  } catch (error) {
    signal.throwIfAborted();
    if (isOspatchError(error) && NO_ANSWER.has(error.type)) return null;
    return `its state is not known: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    transport.close();
  }
}

async function pendingInWorkflow(): Promise<string[]> {
  const { workflowExecution } = activityInfo();
  if (workflowExecution === undefined) return [];
  const { workflowId, runId } = workflowExecution;
  const { raw } = await getClient().workflow.getHandle(workflowId, runId).describe();
  return (raw.pendingActivities ?? []).flatMap(({ activityType }) => activityType?.name ?? []);
}

function refusal(node: string, why: string): OspatchError {
  return new OspatchError({
    type: 'PowerCycle',
    message: `${node} is not power-cycled: ${why}`,
    remedy: `check ${node}; its power may be cut only when it does not come back from a reboot`,
  });
}
