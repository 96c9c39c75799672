/** What a policy allows of a spec: request by request, field by field, and by which rule. */
import type { ClusterSpec } from '../spec/types';
import type { AddressLimit, Missing } from './decide';
import { decidePolicy } from './decide';
import type { Demand } from './request';
import type { RequestKind, SpecRequest } from './spec-requests';
import type { WorkerPolicy } from './types';

export interface PolicyExplanation {
  cluster: string;
  /** Everything that the spec needs is allowed. */
  allowed: boolean;
  requests: ExplainedRequest[];
}

export interface ExplainedRequest {
  kind: RequestKind;
  /** Null: the cluster as a whole. */
  node: string | null;
  taskQueue: string;
  allowed: boolean;
  /** The rule that allows it; else the one to which the least is missing, or null when none is for the cluster. */
  rule: string | null;
  fields: ExplainedField[];
}

export interface ExplainedField {
  /** Of the spec, e.g. `ssh.user`. */
  path: string;
  value: string;
  allowed: boolean;
  /** The networks in which the address of the name must be when it is connected to; null: it may be anywhere. */
  within: string[] | null;
  /** Fields of the rule that would have to allow it; empty when it is allowed. */
  missing: string[];
}

/** Whether the worker's known_hosts file has a host key of a machine; null: there is no such file. */
export type KnowsHost = ((host: string, port: number) => boolean) | null;

export function explainPolicy(
  policy: WorkerPolicy,
  spec: Pick<ClusterSpec, 'name'>,
  requests: readonly SpecRequest[],
  knowsHost: KnowsHost,
): PolicyExplanation {
  const explained = requests.map((request) => explainRequest(policy, spec.name, request, knowsHost));
  return { cluster: spec.name, allowed: explained.every(({ allowed }) => allowed), requests: explained };
}

function explainRequest(
  policy: WorkerPolicy,
  cluster: string,
  { kind, node, taskQueue, demands }: SpecRequest,
  knowsHost: KnowsHost,
): ExplainedRequest {
  const verdict = decidePolicy(policy, { cluster, demands });
  const rule = verdict.allowed ? verdict.grants[0].rule : verdict.denial.rule;
  const missing = verdict.allowed ? [] : verdict.denial.missing;
  const limits = verdict.allowed ? verdict.grants[0].limits : [];
  const fields = [
    ...(rule === null ? [{ path: 'name', value: cluster, allowed: false, within: null, missing: ['clusters'] }] : []),
    ...demands.map((demand) => explainDemand(demand, rule === null ? null : missing, limits)),
    ...(knowsHost === null ? [] : demands.flatMap((demand) => keyOf(demands, demand, knowsHost))),
  ];
  return { kind, node, taskQueue, allowed: fields.every(({ allowed }) => allowed), rule, fields };
}

/** `missing` null: no rule is for the cluster. */
function explainDemand(
  demand: Demand,
  missing: readonly Missing[] | null,
  limits: readonly AddressLimit[],
): ExplainedField {
  const { path } = demand;
  const denied = (missing ?? []).filter((one) => one.path === path || one.path.startsWith(`${path}.`));
  return {
    path,
    value: valueOf(demand),
    allowed: missing !== null && denied.length === 0,
    within: limits.find((one) => one.path === path)?.networks ?? null,
    missing: denied.map(({ field, path: at }) => (at === path ? field : `${field} (${at.slice(path.length + 1)})`)),
  };
}

function keyOf(demands: readonly Demand[], demand: Demand, knowsHost: NonNullable<KnowsHost>): ExplainedField[] {
  if (demand.kind !== 'host' && demand.kind !== 'jumpHost') return [];
  const port = demand.kind === 'jumpHost' ? demand.port : portOf(demands);
  const allowed = knowsHost(demand.host, port);
  const path = demand.kind === 'jumpHost' ? `${demand.path}.hostKeys` : 'hostKeys';
  return [{ path, value: `${demand.host}:${port}`, allowed, within: null, missing: allowed ? [] : ['knownHosts'] }];
}

function portOf(demands: readonly Demand[]): number {
  const port = demands.find((one) => one.kind === 'listed' && one.field === 'ports');
  return port?.kind === 'listed' ? Number(port.value) : 22;
}

function valueOf(demand: Demand): string {
  switch (demand.kind) {
    case 'listed':
      return String(demand.value);
    case 'host':
      return demand.host;
    case 'notificationHost':
      return demand.host;
    case 'notificationSecret':
      return demand.file;
    case 'notificationProgram':
      return demand.program;
    case 'jumpHost':
      return `${demand.user}@${demand.host}:${demand.port} with ${demand.identity}`;
    case 'kubeconfig': {
      const { kubeconfig, context } = demand.access;
      return context === undefined ? `${kubeconfig}, its current context` : `${kubeconfig}, context ${context}`;
    }
    case 'aws': {
      const { profile, region, cluster, endpoint } = demand.access;
      return [cluster, region, profile ?? 'default-chain', ...(endpoint === undefined ? [] : [endpoint])].join(', ');
    }
    case 'alertmanager':
      return demand.credentials === null ? demand.url : `${demand.url} with ${demand.credentials}`;
  }
}
