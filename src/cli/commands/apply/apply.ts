/** Implements `apply` and `diff`: plans or applies every spec in turn. */
import type { Command } from 'commander';
import type { ClusterClient } from '../../../client/cluster-client';
import type { LiveStatus } from '../../../client/live-status';
import type { ErrorInfo, ErrorType } from '../../../domain/shared/errors';
import { defined } from '../../../domain/shared/defined';
import { isNode } from '../../../domain/cluster/member';
import type { ClusterSpec } from '../../../domain/spec/types';
import { withSpecs } from './source';
import type { CliContext } from '../../io/context';
import { uiLinks } from '../../io/ui-link';
import { colors, print, printJson, printNote } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { applyOne, failed, planApply } from './plan';
import type { PruneOptions } from './prune';
import { assertCanConfirm, assertPruneScope, findPruned, mayPrune, prune } from './prune';
import type { ApplyOutcome } from './plan';
import { renderApply, renderApplyError } from '../../render/apply';
import type { SpecSources } from '../../options/spec-source';
import { withClient } from '../../options/session';
import { oneLine } from '../../render/text';
import { waitForBootPatch } from '../../wait';
import type { WaitResult } from '../../wait';

export interface ApplySpecsOptions {
  file: SpecSources;
  output: OutputFormat;
  /** Only report what would be done. */
  dryRun: boolean;
  /** Recreate a cluster whose workflow has ended without being removed. */
  discardHistory: boolean;
  /** Follow the boot patch of added nodes. */
  wait: boolean;
  /** Why, for the history. */
  reason?: string;
  /** Remove clusters that no spec names. */
  pruneScope?: PruneOptions;
}

/** Result of `-o json`; `boot` is null when there was nothing to wait for. */
type Reported = ApplyOutcome & {
  /** The cluster in the Temporal UI; null where that is not known. */
  ui: string | null;
  boot: { end: WaitResult<unknown>['end']; failed: string[] } | null;
  /** Nodes that are the same machine as another node. */
  warnings: { message: string; remedy: string | null }[];
};

const MAX_WARNING = 600;

const UNAVAILABLE: readonly ErrorType[] = ['NoServer', 'NoWorker'];

/** What became of the specs; before any spec was sent an error is thrown instead. */
interface Applied {
  /** Whether a cluster was, or would be, created or changed. */
  isDifferent: boolean;
  hasFailed: boolean;
}

export async function applySpecs(context: CliContext, command: Command, options: ApplySpecsOptions): Promise<Applied> {
  const { file, output, dryRun, discardHistory, wait, reason, pruneScope } = options;
  const isJson = output === 'json';
  const applied: Applied = { isDifferent: false, hasFailed: false };
  if (pruneScope !== undefined && !dryRun) assertCanConfirm(context, file, pruneScope);
  await withSpecs(
    context,
    file,
    (body) => withClient(command, body),
    async (client, specs) => {
      if (pruneScope !== undefined) assertPruneScope(specs, pruneScope);
      const surplus = pruneScope === undefined ? [] : await findPruned(context, client, specs, pruneScope);
      if (pruneScope !== undefined && !dryRun && !(await mayPrune(context, surplus, pruneScope))) return;
      const linkOf = uiLinks(context, client);
      const reported: Reported[] = [];
      let unavailable: ErrorInfo | null = null;
      for (const spec of specs) {
        // Without a server or worker every cluster fails for the same reason, which is reported once.
        const outcome: ApplyOutcome =
          unavailable === null
            ? await (dryRun ? planApply : applyOne)(client, spec, { discardHistory, ...defined({ reason }) })
            : failed(spec, unavailable);
        const ui = dryRun || outcome.result === 'failed' ? null : linkOf(outcome.cluster);
        if (unavailable === null) report(context, outcome, options);
        if (ui !== null && !isJson && outcome.result !== 'unchanged') printNote(context, `  Temporal UI: ${ui}`);
        if (outcome.error !== null && UNAVAILABLE.includes(outcome.error.type)) unavailable = outcome.error;
        reported.push({ ...outcome, ui, boot: null, warnings: [] });
        applied.hasFailed ||= outcome.result === 'failed';
        applied.isDifferent ||= outcome.result !== 'failed' && outcome.result !== 'unchanged';
      }
      const isSafe = !applied.hasFailed;
      const pruned = await prune(context, client, surplus, { isDryRun: dryRun, isJson, isSafe });
      if (!dryRun) await warnOfSharedMachines(context, client, specs, reported);
      if (wait) await waitForAll(context, client, specs, reported, isJson);
      if (isJson) printJson(context, { dryRun, clusters: reported, ...defined({ pruned: pruneScope && pruned }) });
    },
  );
  return applied;
}

function report(context: CliContext, outcome: ApplyOutcome, { output, dryRun }: ApplySpecsOptions): void {
  if (outcome.error !== null) {
    context.setExitCode(1);
    for (const line of renderApplyError(outcome, colors(context, 'stderr'))) printNote(context, line);
  }
  if (output === 'json') return;
  for (const line of renderApply(outcome, dryRun, colors(context))) print(context, line);
}

/** Of what was created or changed: the same file applied again has nothing new. */
async function warnOfSharedMachines(
  context: CliContext,
  client: ClusterClient,
  specs: readonly ClusterSpec[],
  reported: readonly Reported[],
): Promise<void> {
  const changed = new Map(
    reported.filter(({ result }) => result === 'created' || result === 'updated').map((one) => [one.cluster, one]),
  );
  const applied = specs.filter(({ name, type }) => type === 'self-managed' && changed.has(name));
  if (applied.length === 0) return;
  const color = colors(context, 'stderr');
  for (const [cluster, findings] of await client.sharedMachines(applied)) {
    for (const { message, remedy } of findings) {
      changed.get(cluster)?.warnings.push({ message, remedy });
      printNote(context, `${color.yellow('warning:')} ${cluster}: ${oneLine(message, MAX_WARNING)}`);
      if (remedy !== null) printNote(context, `  ${color.bold('fix:')} ${oneLine(remedy, MAX_WARNING)}`);
    }
  }
}

async function waitForAll(
  context: CliContext,
  client: ClusterClient,
  specs: readonly ClusterSpec[],
  reported: Reported[],
  toStderr: boolean,
): Promise<void> {
  for (const [index, outcome] of reported.entries()) {
    const spec = specs[index];
    if (spec === undefined || outcome.result === 'failed') continue;
    const before = await client.status(outcome.cluster);
    const names = nodesToWaitFor(spec, outcome, before);
    if (names.length === 0) continue;
    const { end, result } = await waitForBootPatch(context, client, names, {
      cluster: outcome.cluster,
      before,
      toStderr,
    });
    reported[index] = { ...outcome, boot: { end, failed: result ?? [] } };
    // Ctrl-C ends all waits.
    if (end === 'detached') return;
  }
}

/** The nodes with a pending boot patch, including those that got it before the first status. */
function nodesToWaitFor(spec: ClusterSpec, { result, changes }: ApplyOutcome, { nodes }: LiveStatus): string[] {
  if (spec.type !== 'self-managed') return [];
  const added = new Set(
    changes.filter((change) => change.before === undefined || change.before === null).map(({ path }) => path),
  );
  const entered = (name: string): boolean => result === 'created' || added.has(`nodes[${name}]`);
  return nodes
    .filter(isNode)
    .filter(({ name, bootPatch }) => bootPatch === 'pending' || (bootPatch !== 'not-required' && entered(name)))
    .map(({ name }) => name);
}
