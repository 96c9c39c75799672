/** Waits for a run, with the same display and exit codes for all commands. */
import type { ClusterClient } from '../client/cluster-client';
import type { LiveStatus } from '../client/live-status';
import type { PatchNowAnswer, RunSummary } from '../domain/cluster/messages';
import { isNode } from '../domain/cluster/member';
import type { MemberSettled } from '../domain/cluster/member';
import { isOspatchError } from '../domain/shared/errors';
import type { CliContext } from './io/context';
import { EXIT_INTERRUPTED } from './io/interrupt';
import { colors, print, printNote } from './io/output';
import { wrapIndented } from './render/columns';
import { describeBootPatch, describeCancelledRequest, describeRunEnd, runExitCode } from './render/outcome';
import { watchCluster } from './watch';
import type { WatchEnd } from './watch';

interface WaitOptions {
  cluster: string;
  before: LiveStatus;
  /** Standard output belongs to the result. */
  toStderr: boolean;
}

/** A request that is waited for: the number of its run may be given to another run after a reset, its id is not. */
export type FollowedRequest = Pick<PatchNowAnswer, 'run' | 'requestId'>;

/** The end of a wait; only after `done` the result is known. */
export type WaitResult<T> = { end: WatchEnd['end']; result: T | null };

/** Follows the run of a request to its end and sets the exit code accordingly. */
export async function waitForRun(
  context: CliContext,
  client: ClusterClient,
  request: FollowedRequest,
  options: WaitOptions,
): Promise<WaitResult<RunSummary>> {
  const { cluster, before } = options;
  const { run } = request;
  // The live display shows the last run only until the next one begins.
  const others = new Map<string, RunSummary>();
  const until = (status: LiveStatus): boolean => {
    const { lastRun } = status;
    const isOther = lastRun !== null && !serves(request, lastRun) && lastRun.endedAt !== before.lastRun?.endedAt;
    if (isOther && runExitCode(lastRun) !== 0) others.set(lastRun.endedAt, lastRun);
    return !isOpen(request, status);
  };
  let settled: MemberSettled[] | null = null;
  const awaitEnd = async (createdAt: string, signal: AbortSignal): Promise<boolean> => {
    settled = await client.awaitRunEnd(cluster, createdAt, run, signal);
    return settled !== null;
  };
  const { end, status } = await watchCluster(context, client, {
    ...options,
    until,
    awaitEnd: (signal) => awaitEnd(before.createdAt, signal),
  });
  if (end !== 'done' || status === null) return leave(context, options, `run ${run} of ${cluster}`, { end, status });
  for (const other of others.values()) {
    const ends = await client.settledNodes(cluster, other.number).catch(() => []);
    say(context, options, describeRunEnd(cluster, other, ends));
  }
  const summary = serves(request, status.lastRun) ? status.lastRun : await findRun(client, cluster, request);
  // The request of a cluster that is being removed is gone before the cluster is.
  if (summary === null && status.state === 'removing')
    return leave(context, options, `run ${run} of ${cluster}`, { end: 'removed', status });
  if (summary === null) {
    const cancelled = status.queued.find(({ requestId }) => requestId === request.requestId);
    if (cancelled === undefined) printNote(context, describeGone(cluster, request));
    else say(context, options, describeCancelledRequest(cluster, cancelled));
    context.setExitCode(1);
    return { end, result: null };
  }
  // Details for people; what counts is in the summary.
  settled ??= await client.settledNodes(cluster, run).catch(() => []);
  say(context, options, describeRunEnd(cluster, summary, settled));
  if (runExitCode(summary) !== 0) context.setExitCode(1);
  return { end, result: summary };
}

/** Follows the boot patch of the nodes `names` to its end; the result contains the nodes that did not get it. */
export async function waitForBootPatch(
  context: CliContext,
  client: ClusterClient,
  names: readonly string[],
  options: WaitOptions,
): Promise<WaitResult<string[]>> {
  const { cluster, before } = options;
  const bootRuns = new Set<number>();
  let begins: (run: number) => void = () => undefined;
  const begun = new Promise<number>((resolve) => {
    begins = resolve;
  });
  const noteBootRuns = ({ run, lastRun }: LiveStatus): void => {
    for (const one of [lastRun, run]) if (one?.trigger === 'boot') bootRuns.add(one.number);
    if (run?.trigger === 'boot') begins(run.number);
  };
  noteBootRuns(before);
  const until = (status: LiveStatus): boolean => {
    noteBootRuns(status);
    const isPending = status.nodes.some(
      (node) => isNode(node) && node.bootPatch === 'pending' && names.includes(node.name),
    );
    // A node settles a moment before its run ends.
    return !isPending && status.run?.trigger !== 'boot';
  };
  const awaitEnd = async (signal: AbortSignal): Promise<boolean> =>
    (await client.awaitRunEnd(cluster, before.createdAt, await begun, signal)) !== null;
  const { end, status } = await watchCluster(context, client, { ...options, until, awaitEnd });
  if (end !== 'done' || status === null)
    return leave(context, options, `the boot patch of ${cluster}`, { end, status });
  // A run that waited for its turn may be at the nodes again, so what they are now does not tell how the boot run ended.
  const settled: MemberSettled[] = [];
  for (const run of [...bootRuns].sort((a, b) => a - b)) {
    settled.push(...(await client.settledNodes(cluster, run).catch(() => [])));
  }
  const { lines, failed } = describeBootPatch(cluster, names, status, settled);
  say(context, options, lines);
  if (failed.length > 0) context.setExitCode(1);
  return { end, result: failed };
}

function serves({ requestId }: FollowedRequest, run: RunSummary | null): boolean {
  return run !== null && run.requestId === requestId;
}

/** Whether the run is in progress or still to come. */
function isOpen(request: FollowedRequest, { run, queued }: LiveStatus): boolean {
  const isWaiting = queued.some((one) => one.requestId === request.requestId && one.state !== 'cancelled');
  return isWaiting || (run !== null && run.requestId === request.requestId);
}

/** Why there will be no result. */
function describeGone(cluster: string, { run }: FollowedRequest): string {
  return `the request for run ${run} of ${cluster} is gone: no run in progress, queued or in the history serves it, as after a reset or a recovery of the cluster; see: ospatch events ${cluster}`;
}

async function findRun(client: ClusterClient, cluster: string, request: FollowedRequest): Promise<RunSummary | null> {
  const { runs } = await client.history(cluster).catch((error: unknown) => {
    if (isOspatchError(error) && error.type === 'NotFound') return { runs: [] };
    throw error;
  });
  return runs.findLast((one) => serves(request, one)) ?? null;
}

function leave(
  context: CliContext,
  { cluster, before }: WaitOptions,
  what: string,
  { end, status }: WatchEnd,
): WaitResult<never> {
  if (end === 'removed' || end === 'reset') {
    printNote(context, `${describeLoss(cluster, before, { end, status })}, so ${what} will not be reported`);
    context.setExitCode(1);
  } else {
    context.setExitCode(EXIT_INTERRUPTED);
    printNote(
      context,
      `detached: ${what} continues\n  follow: ospatch status ${cluster} --watch\n  cancel: ospatch cancel ${cluster}`,
    );
  }
  return { end, result: null };
}

/** What has become of the cluster that was followed. */
function describeLoss(cluster: string, { createdAt }: LiveStatus, { end, status }: WatchEnd): string {
  if (end === 'reset') return `the workflow of the cluster ${cluster} was reset in Temporal to before the request`;
  if (status === null || status.createdAt === createdAt) return `the cluster ${cluster} was removed meanwhile`;
  return `the cluster ${cluster} was removed and created again meanwhile`;
}

function say(context: CliContext, { toStderr }: WaitOptions, lines: readonly string[]): void {
  const { columns } = colors(context, toStderr ? 'stderr' : 'stdout');
  for (const line of lines) (toStderr ? printNote : print)(context, wrapIndented(line, columns));
}
