/** The plan of the next run of an EKS cluster: AWS is asked through a worker, in read-only calls. */
import { isNode } from '../domain/cluster/member';
import type { EksPlan } from '../domain/eks/plan';
import { planNodeGroups } from '../domain/eks/plan';
import { defined } from '../domain/shared/defined';
import { OspatchError } from '../domain/shared/errors';
import type { EksSpec } from '../domain/spec/types';
import { Inspector } from './inspector';
import type { LiveStatus } from './live-status';
import type { PlanOptions } from './run-plan';
import { blockersOf, requestAlerts, windowsOf } from './run-plan';
import type { TemporalCalls } from './temporal-calls';

/** @throws OspatchError `NotFound`, `Usage`, `NoWorker`, or the error that kept every node group from being read */
export async function requestEksPlan(
  calls: TemporalCalls,
  by: string,
  { spec, status, isInForce }: { spec: EksSpec; status: LiveStatus | null; isInForce: boolean },
  { nodes, selector, now = false }: PlanOptions,
): Promise<EksPlan> {
  if (selector !== undefined) {
    throw new OspatchError({
      type: 'Usage',
      message: `-l ${selector}: node groups have no labels in a spec`,
      remedy: 'name node groups with --nodes',
    });
  }
  const names = chosenGroups(spec, nodes);
  const [inspection, firing] = await Promise.all([
    new Inspector(calls, by).inspectGroups(spec, names),
    requestAlerts(calls, by, spec),
  ]);
  if (inspection.error !== null && inspection.groups.length === 0) throw new OspatchError(inspection.error);
  const isNow = now || names !== null;
  return planNodeGroups({
    ...{ spec, names, inspection, nowMs: Date.now() },
    rows: (status?.nodes ?? []).flatMap((row) => (isNode(row) ? [] : [row])),
    windows: isNow ? [] : await windowsOf(spec, Date.now(), isInForce ? status : null),
    blockers: [...blockersOf(status), ...firing],
  });
}

/** Null: those of the spec. */
function chosenGroups({ name, eks: { nodeGroups } }: EksSpec, nodes: readonly string[] | undefined): string[] | null {
  if (nodes === undefined) return null;
  const unknown = nodeGroups === 'all' ? undefined : nodes.find((one) => !nodeGroups.includes(one));
  if (unknown === undefined) return [...nodes];
  throw new OspatchError({
    type: 'NotFound',
    message: `cluster ${name} has no node group ${unknown}`,
    ...defined({ remedy: `\`ospatch check ${name}\` shows its node groups` }),
  });
}
