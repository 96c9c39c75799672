/** Starts the update of a node group at AWS and follows it to its end. */
import { createHash } from 'node:crypto';
import type { BegunUpdate, NodegroupFacts, NodegroupUpdate } from '../domain/eks/node-groups';
import { saysUpToDate } from '../domain/eks/node-groups';
import { isNewest } from '../domain/eks/releases';
import { Backoff } from '../retry/backoff';
import type { EksCaller } from './eks-caller';
import { isAwsError } from './errors';

/** AWS updates take minutes at least; the first polls come soon for groups without nodes. */
const FIRST_POLL_MS = 2_000;
const MAX_POLL_MS = 30_000;

/** How long a group may be busy with an operation other than an update. */
const BUSY_LIMIT_MS = 60 * 60_000;
const BUSY_PAUSE_MS = 5_000;

/** How long to wait after a completed update while AWS still reports the group as UPDATING. */
const SETTLING_LIMIT_MS = 2 * 60_000;

/** States of a group that may become free soon. */
const PASSES = new Set(['ACTIVE', 'UPDATING', 'CREATING']);

export interface BeginRequest {
  nodeGroup: string;
  version: string;
  force: boolean;
  /** Release at which the run found the group; absent: the newest release is not queried. */
  found?: string;
  /** A version update started by someone else has just completed. */
  adopted?: boolean;
  /** Makes a repeated request idempotent. */
  identity: readonly string[];
}

/** Requests the latest release of the version once, or finds the update in progress. */
export async function beginUpdate(caller: EksCaller, request: BeginRequest): Promise<BegunUpdate> {
  const { nodeGroup, force, identity } = request;
  const clientRequestToken = requestToken([...identity, nodeGroup]);
  const pauses = backoff(BUSY_PAUSE_MS);
  for (;;) {
    const version = await versionToAskFor(caller, request);
    if (version === null) return { state: 'up-to-date' };
    try {
      const updateId = await caller.call('updateVersion', (api, signal) =>
        api.updateVersion({ nodeGroup, version, force, clientRequestToken }, signal),
      );
      return { state: 'started', updateId };
    } catch (error) {
      if (!isAwsError(error)) throw error;
      if (error.kind === 'rejected' && saysUpToDate(error.awsMessage)) return { state: 'up-to-date' };
      if (error.kind !== 'conflict') throw error;
      const running = await updateInProgress(caller, nodeGroup);
      if (running !== null) {
        const { id, type } = running;
        return { state: 'in-progress', updateId: id, type, adopted: type === 'VersionUpdate' };
      }
      // The update has just ended, or another operation is in progress.
      const { status } = await describe(caller, nodeGroup);
      const leftMs = BUSY_LIMIT_MS - caller.waitedFor('busy');
      if (leftMs <= 0 || !PASSES.has(status)) throw error;
      await caller.pause('busy', `the node group to be free: ${error.message}`, pauses, leftMs);
    }
  }
}

/**
 * The Kubernetes version whose latest release to request; null when the group already runs it. AWS accepts a request
 * that changes nothing and may replace the nodes, so the request must be avoided.
 */
async function versionToAskFor(
  caller: EksCaller,
  { nodeGroup, version, found, adopted = false }: BeginRequest,
): Promise<string | null> {
  if (found === undefined) return version;
  const facts = await (adopted ? settledGroup(caller, nodeGroup) : describe(caller, nodeGroup));
  // During an update AWS reports values ahead of time; its answer to the request identifies the update.
  if (facts.status === 'UPDATING') return version;
  const image = { amiType: facts.amiType, version: facts.version };
  const { release: newest } = await caller.call('newestRelease', (api, signal) => api.newestRelease(image, signal));
  if (newest === null) return adopted || facts.releaseVersion !== found ? null : facts.version;
  return isNewest(facts.releaseVersion, newest) ? null : facts.version;
}

/** The group after a completed update; AWS may take a moment to update the state of the group. */
async function settledGroup(caller: EksCaller, nodeGroup: string): Promise<NodegroupFacts> {
  const pauses = backoff(FIRST_POLL_MS);
  for (;;) {
    const facts = await describe(caller, nodeGroup);
    const leftMs = SETTLING_LIMIT_MS - caller.waitedFor('settling');
    if (facts.status !== 'UPDATING' || leftMs <= 0) return facts;
    if ((await updateInProgress(caller, nodeGroup)) !== null) return facts;
    await caller.pause(
      'settling',
      `AWS to be done with node group ${nodeGroup}, whose update has ended`,
      pauses,
      leftMs,
    );
  }
}

function describe(caller: EksCaller, nodeGroup: string): Promise<NodegroupFacts> {
  return caller.call('describeNodegroup', (api, signal) => api.describeNodegroup(nodeGroup, signal));
}

/** Waits until the update has ended at AWS. */
export async function followUpdate(
  caller: EksCaller,
  { nodeGroup, updateId, what }: { nodeGroup: string; updateId: string; what: string },
): Promise<NodegroupUpdate> {
  const pauses = backoff(FIRST_POLL_MS);
  for (;;) {
    const update = await caller.call('describeUpdate', (api, signal) =>
      api.describeUpdate(nodeGroup, updateId, signal),
    );
    if (update.status !== 'InProgress') return update;
    await caller.pause('update', what, pauses);
  }
}

async function updateInProgress(caller: EksCaller, nodeGroup: string): Promise<NodegroupUpdate | null> {
  const ids = await caller.call('listUpdates', (api, signal) => api.listUpdates(nodeGroup, signal));
  for (const id of ids) {
    const update = await caller.call('describeUpdate', (api, signal) => api.describeUpdate(nodeGroup, id, signal));
    if (update.status === 'InProgress') return update;
  }
  return null;
}

/** Tokens are safe up to 64 characters; the parts may be longer. */
export function requestToken(parts: readonly string[]): string {
  return `ospatch-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)}`;
}

function backoff(firstMs: number): Backoff {
  return new Backoff({ firstMs, maxMs: MAX_POLL_MS, growth: 1.5 });
}
