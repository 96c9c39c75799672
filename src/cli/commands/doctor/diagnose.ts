/** Assembles a diagnosis, including a partial one when Temporal or the workers are unavailable. */
import type { Command } from 'commander';
import type { ClusterClient } from '../../../client/cluster-client';
import type { ClusterDiagnosis, InstallationDiagnosis } from '../../../client/doctor';
import type { LoadedSpecs } from '../../../client/load/spec';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { Finding } from '../../../domain/inspection/finding';
import type { Severity } from '../../../domain/shared/severity';
import { findingOfError, ok, warning } from '../../../domain/inspection/finding';
import { worstOf } from '../../../domain/shared/severity';
import { diagnoseSchedule } from '../../../domain/inspection/installation';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import type { ClusterSpec } from '../../../domain/spec/types';
import type { CliContext } from '../../io/context';
import { showProgress } from '../../io/progress';
import { withClient } from '../../options/session';
import { invalidSpec, loadSource, printProblems } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';
import { sourcesInCommand } from '../../../client/load/sources';

/** The nodes of each cluster are inspected side by side already, with connections that workers limit. */
const CLUSTERS_AT_ONCE = 4;

/** The JSON of `doctor`. */
export interface DoctorReport {
  verdict: Severity;
  installation: Finding[];
  clusters: ClusterDiagnosis[];
}

/** @throws OspatchError `InvalidSpec`, `Usage` */
export async function diagnoseFile(context: CliContext, command: Command, source: SpecSources): Promise<DoctorReport> {
  // A node without a trusted host key is a finding about that node, and a one-time start may be in the past.
  const loaded = await loadSource(context, source, { requireHostKeys: false, isNew: false });
  if (!loaded.valid) {
    printProblems(context, loaded.problems);
    throw invalidSpec(source, loaded.problems);
  }
  const file = sourcesInCommand(source);
  const names = loaded.specs.map(({ name }) => name);
  return withInstallation(command, names, async (client, { hasWorker }) => {
    const progress = showProgress(context, 'inspecting clusters', loaded.specs.length);
    try {
      return await mapConcurrently(loaded.specs, CLUSTERS_AT_ONCE, async (spec) => {
        const found = [...specFindings(loaded, spec), ...(await scheduleFindings(context, spec))];
        const diagnosis = await diagnose(client, spec, found, { hasWorker, file });
        progress.step();
        return diagnosis;
      });
    } finally {
      progress.end();
    }
  });
}

/** @throws OspatchError `NotFound`, `Usage` */
export async function diagnoseApplied(context: CliContext, command: Command, name: string): Promise<DoctorReport> {
  return withInstallation(command, [name], async (client, { hasWorker }) => {
    // The spec in force is in the workflow, which needs a worker to answer.
    if (client === null || !hasWorker) return [];
    const spec = await client.spec(name).catch(orStuck);
    if (spec instanceof OspatchError) return [await stuckDiagnosis(name, spec)];
    const found = [...(await cronFindings(spec)), ...(await scheduleFindings(context, spec))];
    return [await diagnose(client, spec, found, { hasWorker, file: null })];
  });
}

/** The installation alone, with all stuck clusters of the namespace. @throws OspatchError `Usage` */
export async function diagnoseInstallation(command: Command): Promise<DoctorReport> {
  return withInstallation(command, null, () => Promise.resolve([]));
}

function orStuck(error: unknown): OspatchError {
  if (isOspatchError(error) && error.type === 'Stuck') return error;
  throw error;
}

async function stuckDiagnosis(cluster: string, error: OspatchError): Promise<ClusterDiagnosis> {
  const doctor = await import('../../../client/doctor.js');
  return doctor.clusterDiagnosis(cluster, [findingOfError(error.toInfo())], []);
}

async function withInstallation(
  command: Command,
  asked: readonly string[] | null,
  body: (client: ClusterClient | null, installation: InstallationDiagnosis) => Promise<ClusterDiagnosis[]>,
): Promise<DoctorReport> {
  try {
    return await withClient(command, async (client) => {
      const installation = await client.diagnoseInstallation(asked);
      return report(installation.findings, await body(client, installation));
    });
  } catch (error) {
    if (!(error instanceof OspatchError) || error.type !== 'NoServer') throw error;
    const findings = [findingOfError(error.toInfo())];
    return report(findings, await body(null, { findings, hasWorker: false }));
  }
}

function report(installation: Finding[], clusters: ClusterDiagnosis[]): DoctorReport {
  const verdict = worstOf([...installation, ...clusters.map((one) => ({ severity: one.verdict }))]);
  return { verdict, installation, clusters };
}

/** Findings that need no server are always included. */
async function diagnose(
  client: ClusterClient | null,
  spec: ClusterSpec,
  found: Finding[],
  options: { hasWorker: boolean; file: string | null },
): Promise<ClusterDiagnosis> {
  const doctor = await import('../../../client/doctor.js');
  try {
    if (client !== null) {
      const seen = await client.diagnoseCluster(spec, options);
      // The comparison with all clusters includes the shared machines found in the files.
      const own = found.filter(
        ({ message }) => !seen.findings.some((one) => one.check === 'nodes' && message.includes(one.message)),
      );
      return doctor.clusterDiagnosis(spec.name, [...own, ...seen.findings], seen.nodes);
    }
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    return doctor.clusterDiagnosis(spec.name, [...found, findingOfError(error.toInfo(), 'nodes')], []);
  }
  return doctor.clusterDiagnosis(spec.name, [...found, ...doctor.notInspected(spec)], []);
}

function specFindings({ clusters, problems }: LoadedSpecs, spec: ClusterSpec): Finding[] {
  const file = clusters.find((one) => one.spec === spec)?.file;
  // A problem refers to a file, so it is attributed to the first cluster of that file.
  const isFirst = clusters.find((one) => one.file === file)?.spec === spec;
  const own = isFirst ? problems.filter((problem) => problem.file === file) : [];
  if (own.length === 0) return [ok('spec', 'the spec is valid')];
  return own.map(({ line, path, message }) => {
    const place = `${file ?? ''}${line === null ? '' : `:${line}`}`;
    return warning('spec', `${place}: ${path === '' ? '' : `${path}: `}${message}`, null);
  });
}

/** For a spec in force; the problems of a file include its own. */
async function cronFindings(spec: ClusterSpec): Promise<Finding[]> {
  const { cronWarnings } = await import('../../../domain/spec/time-checks.js');
  if (!('patching' in spec)) return [];
  const { schedule = [] } = spec.patching;
  return schedule.flatMap((entry, at) => {
    const place = schedule.length === 1 ? 'patching.schedule' : `patching.schedule[${at}]`;
    return ('cron' in entry ? cronWarnings(entry.cron) : []).map((message) =>
      warning('schedule', `${place}.cron: ${message}`, 'correct the schedule in the spec, then run `ospatch next`'),
    );
  });
}

async function scheduleFindings(context: CliContext, spec: ClusterSpec): Promise<Finding[]> {
  const { describeSchedule } = await import('../../../domain/schedule/describe.js');
  const { calendarAhead, calendarOf } = await import('../../../domain/schedule/ahead.js');
  const { formatWindow } = await import('../../render/text.js');
  if (!('patching' in spec) || spec.patching.schedule === undefined) return diagnoseSchedule(spec, null);
  const { schedule, timeZone } = spec.patching;
  const now = context.now();
  const { calendar, files } = calendarOf(spec, null);
  const { windows } = calendarAhead(calendar, { sinceMs: now, afterMs: now, nowMs: now, count: 1, files });
  const [window] = windows;
  if (window === undefined) return diagnoseSchedule(spec, null);
  return diagnoseSchedule(spec, `${formatWindow(window, timeZone)}, ${describeSchedule(schedule, timeZone)}`);
}
