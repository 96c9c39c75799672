/** The result of a followed run or boot patch, and its exit code. */
import type { LiveStatus } from '../../client/live-status';
import type { QueuedRun, RunSummary } from '../../domain/cluster/messages';
import { isNode } from '../../domain/cluster/member';
import type { MemberSettled } from '../../domain/cluster/member';
import type { NodeError } from '../../domain/node/status';
import { countOutcomes } from './status';
import { describeWarnings } from './warnings';
import { formatElapsed, oneLine } from './text';
import { plural } from '../../domain/shared/plural';

/**
 * Exit code of a run: 1 when a node failed or was not tried, or the run was cancelled. A pending reboot is not a
 * failure.
 */
export function runExitCode({ outcome, failed }: RunSummary): 0 | 1 {
  return outcome === 'succeeded' && failed === 0 ? 0 : 1;
}

/** One line about the run, then notable results of single nodes. */
export function describeRunEnd(cluster: string, run: RunSummary, settled: readonly MemberSettled[]): string[] {
  // A queued run that was cancelled has not taken any time.
  const took = run.startedAt === run.endedAt ? '' : ` after ${formatElapsed(run.startedAt, Date.parse(run.endedAt))}`;
  const line = `run ${run.number} of ${cluster} ${run.outcome}${took}: ${countOutcomes(run)}`;
  const failed = settled.filter(({ outcome }) => outcome === 'failed');
  const refused = settled.filter(({ outcome, error }) => outcome === 'skipped' && error?.type === 'Policy');
  const pending = settled.filter(({ outcome }) => outcome === 'reboot-pending');
  return [
    line,
    ...(run.error?.remedy === undefined ? [] : [`  fix: ${oneLine(run.error.remedy)}`]),
    ...failed.flatMap(({ node, error }) => describeFailure(node, error)),
    ...refused.map(({ node, error }) => `${oneLine(node)} skipped: ${oneLine(error?.message)}`),
    ...describeReboots(pending.map(({ node }) => node)),
    ...settled.flatMap(({ node, reading }) => describeWarnings(node, reading?.warnings ?? [])),
  ];
}

/** The same of a queued run that was cancelled, before its summary is filed with that of the run before it. */
export function describeCancelledRequest(cluster: string, { run, message }: QueuedRun): string[] {
  const why = oneLine(message ?? 'the request was cancelled', 500);
  return [`run ${run} of ${cluster} cancelled: ${why}`, `  fix: ospatch patch ${cluster}`];
}

/**
 * The result of the boot patch of the nodes `names`; `failed` are those that did not get it. `settled`: results of the
 * boot runs, oldest first; for a node without a result its current state is used.
 */
export function describeBootPatch(
  cluster: string,
  names: readonly string[],
  status: LiveStatus,
  settled: readonly MemberSettled[] = [],
): { lines: string[]; failed: string[] } {
  const nodes = status.nodes.filter(isNode).filter(({ name }) => names.includes(name));
  const failed = nodes.filter(({ bootPatch }) => bootPatch !== 'done');
  const outcomes = new Map(settled.map((one) => [one.node, one]));
  const pending = nodes.filter(({ name, state }) => (outcomes.get(name)?.outcome ?? state) === 'reboot-pending');
  const lines = [
    `boot patch of ${cluster}: ${nodes.length - failed.length} of ${plural(nodes.length, 'node')} done`,
    ...failed.flatMap(({ name, lastError }) => describeFailure(name, outcomes.get(name)?.error ?? lastError)),
    ...describeReboots(pending.map(({ name }) => name)),
  ];
  return { lines, failed: failed.map(({ name }) => name) };
}

function describeFailure(node: string, error: NodeError | null): string[] {
  if (error === null) return [`${oneLine(node)} failed`];
  const line = `${oneLine(node)}: ${oneLine(error.message)}`;
  return error.remedy === undefined ? [line] : [line, `  fix: ${oneLine(error.remedy)}`];
}

function describeReboots(nodes: readonly string[]): string[] {
  if (nodes.length === 0) return [];
  const names = nodes.map((name) => oneLine(name)).join(', ');
  return [`reboot pending on ${names}: reboot by hand, or set patching.rebootIfRequired: true and patch again`];
}
