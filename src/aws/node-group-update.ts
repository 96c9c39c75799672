/** Starting the update of a node group at AWS, and following it to its end. */
import { createHash } from 'node:crypto';
import type { BegunUpdate, NodegroupFacts, NodegroupUpdate } from '../domain/eks/node-groups';
import { saysUpToDate } from '../domain/eks/node-groups';
import { isNewest } from '../domain/eks/releases';
import { Backoff } from '../retry/backoff';
import type { EksCaller } from './eks-caller';
import { isAwsError } from './errors';

/** AWS takes minutes at least; the first polls come soon for groups without nodes. */
const FIRST_POLL_MS = 2_000;
const MAX_POLL_MS = 30_000;

/** How long a group may be busy with something that is no update of it. */
const BUSY_LIMIT_MS = 60 * 60_000;
const BUSY_PAUSE_MS = 5_000;

/** How long a group whose update has ended is waited for while AWS still calls it UPDATING. */
const SETTLING_LIMIT_MS = 2 * 60_000;

/** States of a group in which it may be free soon. */
const PASSES = new Set(['ACTIVE', 'UPDATING', 'CREATING']);

export interface BeginRequest {
  nodeGroup: string;
  version: string;
  force: boolean;
  /** Release that the run found the group at; absent: which is the newest is not asked. */
  found?: string;
  /** An update of the version that somebody else had begun has just ended well. */
  adopted?: boolean;
  /** What makes a repetition the same request. */
  identity: readonly string[];
}

/** Asks for the latest release of the version, once, or finds the update that is in progress. */
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
      // It has ended this moment, or something else is going on with the group.
      const { status } = await describe(caller, nodeGroup);
      const leftMs = BUSY_LIMIT_MS - caller.waitedFor('busy');
      if (leftMs <= 0 || !PASSES.has(status)) throw error;
      await caller.pause('busy', `the node group to be free: ${error.message}`, pauses, leftMs);
    }
  }
}

/**
 * The Kubernetes version whose latest release is to be asked for; null when the group is at that. AWS accepts the request
 * of a group that has nothing to gain and may replace its nodes then, so it is not asked for nothing.
 */
async function versionToAskFor(
  caller: EksCaller,
  { nodeGroup, version, found, adopted = false }: BeginRequest,
): Promise<string | null> {
  if (found === undefined) return version;
  const facts = await (adopted ? settledGroup(caller, nodeGroup) : describe(caller, nodeGroup));
  // What AWS says of a group in the middle of an update is not yet so; its own answer tells which update that is.
  if (facts.status === 'UPDATING') return version;
  const image = { amiType: facts.amiType, version: facts.version };
  const { release: newest } = await caller.call('newestRelease', (api, signal) => api.newestRelease(image, signal));
  if (newest === null) return adopted || facts.releaseVersion !== found ? null : facts.version;
  return isNewest(facts.releaseVersion, newest) ? null : facts.version;
}

/** The group after an update that has ended; it may take a moment until AWS says so of the group too. */
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

/** Waits until AWS has ended the update. */
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

/** At most 64 characters are safe in a token; the parts themselves may be longer. */
export function requestToken(parts: readonly string[]): string {
  return `ospatch-${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)}`;
}

function backoff(firstMs: number): Backoff {
  return new Backoff({ firstMs, maxMs: MAX_POLL_MS, growth: 1.5 });
}
