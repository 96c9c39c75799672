/** Diagnoses what would fail a run: the installation, the cluster, and its nodes through the workers. */
import type { InspectionSummary } from '../domain/inspection/node';
import { failedInspection, summaryOf } from '../domain/inspection/node';
import { isEks } from '../domain/eks/node-groups';
import { eksFindings, eksSiteFinding } from '../domain/inspection/eks';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import type { Finding } from '../domain/inspection/finding';
import type { Severity } from '../domain/shared/severity';
import { findingOfError, problem, warning } from '../domain/inspection/finding';
import { worstFirst, worstOf } from '../domain/shared/severity';
import type { ClusterSeen } from '../domain/inspection/installation';
import {
  diagnoseCluster,
  diagnoseIdleSites,
  diagnosePlainStarts,
  diagnosePlainText,
  diagnoseSearchAttributes,
  diagnoseServer,
  diagnoseSite,
  diagnoseStuck,
  diagnoseWorkers,
} from '../domain/inspection/installation';
import type { NodeAddress } from '../domain/cluster/task-queues';
import { nodeAddresses, noWorkerAtSite } from '../domain/cluster/task-queues';
import type { ClusterSpec, EksSpec } from '../domain/spec/types';
import { packageVersion } from '../version';
import type { WorkerAnswer } from '../domain/inspection/workers';
import { atWork, diagnoseAnswers, diagnoseVersions, explainIdle } from '../domain/inspection/workers';
import { diffSpecs } from '../domain/spec/diff';
import { withDefaults } from '../domain/spec/parse';
import { specQuery, summaryQuery } from '../contract/messages';
import { registeredSearchAttributes } from '../contract/registered-attributes';
import type { TemporalCalls } from './temporal-calls';
import { findStuckClusters } from './cluster-list';
import { findPlainStarts } from './plain-starts';
import { probeWorkers } from './worker-probe';
import { requestInspections } from './inspection';
import { requestKubernetesFindings } from './kubernetes';
import { requestPolicyFindings } from './policy';
import type { MachinesRead } from './machines';
import { findSharedMachines, readAllMachines } from './machines';
import type { Inspector } from './inspector';
import { SEARCH_ATTRIBUTE_TYPES } from '../domain/shared/search-attributes';
import { readStuckRun } from './run-health';

export interface InstallationDiagnosis {
  findings: Finding[];
  /** Whether a worker is available to inspect nodes. */
  hasWorker: boolean;
}

export interface ClusterDiagnosis {
  cluster: string;
  /** The worst severity of the cluster and its nodes. */
  verdict: Severity;
  /** Worst first. */
  findings: Finding[];
  /** The inspected nodes, in the order of the spec. */
  nodes: InspectionSummary[];
}

export interface ClusterDiagnosisOptions {
  hasWorker: boolean;
  /** The file as named by the user, for remedies; null when the spec is the one in force. */
  file: string | null;
}

/** Above the limits of the AWS inspection, including the loss of a worker. */
const EKS_DEADLINE_MS = 160_000;

/** Names in a message about nodes that could not be inspected; the rest is counted. */
const MAX_NAMES = 3;

/** For one diagnosis, of one cluster or several: what is read of all others is read once. */
export class Doctor {
  private machines: Promise<MachinesRead> | null = null;

  constructor(
    private readonly calls: TemporalCalls,
    private readonly inspector: Inspector,
    private readonly by: string,
  ) {}

  /** Problems of Temporal are findings, not errors. `asked`: the clusters that are diagnosed as well; null: none. */
  async installation(asked: readonly string[] | null): Promise<InstallationDiagnosis> {
    const { address, namespace, hasTls = true } = this.calls.session;
    try {
      const version = await this.serverVersion();
      const { findings: workers, hasWorker } = await this.workers();
      const registered = await this.searchAttributes();
      const findings = [
        diagnoseServer({ address, namespace, version }),
        ...diagnosePlainText({ address, hasTls }),
        ...workers,
        diagnoseSearchAttributes(registered, { address, namespace }),
        ...(await this.clusters(asked)),
        ...(await this.plainStarts(asked)),
      ];
      return { findings: worstFirst(findings), hasWorker };
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      const check = error.type === 'NotFound' ? 'namespace' : 'temporal';
      return { findings: [findingOfError(error.toInfo(), check)], hasWorker: false };
    }
  }

  private async workers(): Promise<InstallationDiagnosis> {
    const { taskQueue, keyIds } = this.calls.session;
    const seen = await this.calls.readQueue();
    const idle = explainIdle(seen, taskQueue, this.calls.session, packageVersion());
    if (idle !== null) return { findings: [problem('worker', idle.message, idle.remedy)], hasWorker: false };
    const { length } = seen.pollers;
    const findings = [diagnoseWorkers(length, taskQueue), ...diagnoseVersions(seen, this.calls.session)];
    if (length === 0) return { findings, hasWorker: false };
    const answers = await probeWorkers(this.calls, atWork(seen).length);
    findings.push(...diagnoseAnswers(answers, keyIds, taskQueue));
    const isWell = (one: WorkerAnswer): boolean => worstOf(diagnoseAnswers([one], keyIds, taskQueue)) === 'ok';
    return { findings, hasWorker: answers.some(isWell) };
  }

  private async clusters(asked: readonly string[] | null): Promise<Finding[]> {
    try {
      const seen = await findStuckClusters(this.calls);
      const { taskQueue } = this.calls.session;
      return [...diagnoseIdleSites(seen.idleSites, asked, taskQueue), ...diagnoseStuck(seen, asked)];
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      return [warning('cluster', `whether clusters are stuck cannot be read: ${error.message}`, error.remedy ?? null)];
    }
  }

  /** What must be over before workers may require encryption. */
  private async plainStarts(asked: readonly string[] | null): Promise<Finding[]> {
    if (this.calls.session.keyIds.length === 0) return [];
    try {
      return diagnosePlainStarts(await findPlainStarts(this.calls, asked));
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      const message = `whether workflows were started without encryption cannot be read: ${error.message}`;
      return [warning('cluster', message, error.remedy ?? null)];
    }
  }

  /** The state of the cluster in Temporal, and the inspections of its nodes. */
  async cluster(spec: ClusterSpec, { hasWorker, file }: ClusterDiagnosisOptions): Promise<ClusterDiagnosis> {
    const { name } = spec;
    if (!hasWorker) return clusterDiagnosis(name, notInspected(spec), []);
    const [findings, policy, examined, machines] = await Promise.all([
      this.clusterFindings(spec, file),
      requestPolicyFindings(this.calls, spec, this.by),
      this.nodes(spec),
      findSharedMachines(this.calls, spec, () => this.otherMachines()),
    ]);
    return clusterDiagnosis(name, [...findings, ...policy, ...machines, ...examined.findings], examined.nodes);
  }

  private otherMachines(): Promise<MachinesRead> {
    this.machines ??= readAllMachines(this.calls);
    return this.machines;
  }

  private async nodes(spec: ClusterSpec): Promise<Pick<ClusterDiagnosis, 'findings' | 'nodes'>> {
    if (isEks(spec)) return this.nodeGroups(spec);
    if (spec.type !== 'self-managed') return { findings: [], nodes: [] };
    const all = nodeAddresses(spec);
    const sites = await this.sites(all);
    const targets = all.filter(({ taskQueue }) => !sites.empty.has(taskQueue));
    const inKubernetes = await requestKubernetesFindings(this.calls, { spec, probe: targets[0], by: this.by });
    const { nodes, failures } = await requestInspections(this.calls, {
      spec,
      targets,
      kubernetes: inKubernetes.usable ? spec.kubernetes : undefined,
      by: this.by,
    });
    const failed = failures.map(({ nodes: names, error }) => {
      const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
      const which = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
      return problem('nodes', `${which} could not be inspected: ${error.message}`, error.remedy ?? null);
    });
    const inspected = new Map(nodes.map((one) => [one.node, summaryOf(one)]));
    return {
      findings: [...inKubernetes.findings, ...sites.findings, ...failed],
      nodes: all.flatMap(({ name, taskQueue }) =>
        sites.empty.has(taskQueue)
          ? summaryOf(failedInspection(name, noWorkerAtSite(name, taskQueue ?? '')))
          : (inspected.get(name) ?? []),
      ),
    };
  }

  /** Which sites have workers; nodes of a site without workers are not inspected. */
  private async sites(nodes: readonly NodeAddress[]): Promise<{ findings: Finding[]; empty: Set<string | undefined> }> {
    const queues = new Set(nodes.flatMap(({ taskQueue }) => taskQueue ?? []));
    const findings: Finding[] = [];
    const empty = new Set<string | undefined>();
    for (const queue of queues) {
      if (queue === this.calls.session.taskQueue) continue;
      const count = await this.calls.countWorkers(queue);
      findings.push(diagnoseSite(count, queue));
      if (count === 0) empty.add(queue);
    }
    return { findings, empty };
  }

  private async nodeGroups(spec: EksSpec): Promise<Pick<ClusterDiagnosis, 'findings' | 'nodes'>> {
    const { taskQueue } = spec;
    if (taskQueue !== undefined && taskQueue !== this.calls.session.taskQueue) {
      const count = await this.calls.countWorkers(taskQueue);
      if (count === 0) return { findings: [eksSiteFinding(taskQueue)], nodes: [] };
    }
    try {
      return eksFindings(
        spec,
        await this.calls.call(spec.name, () => this.inspector.inspectEks(spec), EKS_DEADLINE_MS),
      );
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      const { message, remedy } = error;
      return { findings: [problem('aws', `AWS could not be queried: ${message}`, remedy ?? null)], nodes: [] };
    }
  }

  private async clusterFindings(spec: ClusterSpec, file: string | null): Promise<Finding[]> {
    try {
      const found = diagnoseCluster(spec.name, await this.seen(spec), file);
      const stuck = await this.calls.call(spec.name, () => readStuckRun(this.calls.session, spec.name));
      return stuck === null ? found : [problem('cluster', stuck.message, stuck.remedy), ...found];
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      if (error.type === 'Stuck') return [findingOfError(error.toInfo())];
      return [warning('cluster', `the state of the cluster cannot be read: ${error.message}`, error.remedy ?? null)];
    }
  }

  private async seen(spec: ClusterSpec): Promise<ClusterSeen> {
    try {
      const [current, { paused, scheduleError }] = await Promise.all([
        this.calls.query(spec.name, (handle) => handle.query(specQuery)),
        this.calls.query(spec.name, (handle) => handle.query(summaryQuery)),
      ]);
      return {
        applied: true,
        changes: diffSpecs(withDefaults(current), withDefaults(spec)).length,
        paused,
        scheduleError,
      };
    } catch (error) {
      if (error instanceof OspatchError && error.type === 'NotFound') return { applied: false };
      throw error;
    }
  }

  private async serverVersion(): Promise<string> {
    const { client } = this.calls.session;
    const info = await this.calls.call(null, () => client.workflowService.getSystemInfo({}));
    return info.serverVersion;
  }

  /** Names and types, as named by the `temporal` CLI; null when the server denies listing them. */
  private async searchAttributes(): Promise<Record<string, string> | null> {
    const { client, namespace } = this.calls.session;
    const services = { workflowService: client.workflowService, operatorService: client.connection.operatorService };
    try {
      return await this.calls.call(null, () =>
        registeredSearchAttributes(services, namespace, Object.keys(SEARCH_ATTRIBUTE_TYPES)),
      );
    } catch {
      return null;
    }
  }
}

/** The diagnosis of a cluster without a worker to inspect its nodes. */
export function notInspected(spec: ClusterSpec): Finding[] {
  if (isEks(spec)) {
    const message = 'the node groups were not inspected, because no worker answers this command';
    return [warning('aws', message, 'correct the findings on the installation first')];
  }
  if (spec.type !== 'self-managed') return [];
  const { length } = spec.nodes;
  const nodes = length === 1 ? 'its node was' : `its ${length} nodes were`;
  return [
    warning(
      'nodes',
      `${nodes} not inspected, because no worker answers this command`,
      'correct the findings on the installation first',
    ),
  ];
}

export function clusterDiagnosis(cluster: string, findings: Finding[], nodes: InspectionSummary[]): ClusterDiagnosis {
  const verdict = worstOf([...findings, ...nodes.map((node) => ({ severity: node.verdict }))]);
  return { cluster, verdict, findings: worstFirst(findings), nodes };
}
