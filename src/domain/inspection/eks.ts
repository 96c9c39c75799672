/** Findings of the inspection of an EKS cluster and its node groups. */
import type { InspectionSummary } from './node';
import { isNewest } from '../eks/releases';
import type { EksInspection, NodegroupCheck, NodegroupFacts } from '../eks/node-groups';
import type { Finding } from './finding';
import { findingOfError, findingOfWarning, ok, problem, warning } from './finding';
import { worstOf } from '../shared/severity';
import type { EksSpec } from '../spec/types';

/** One finding about AWS and the cluster, and the findings of each node group. */
export function eksFindings(
  { eks }: EksSpec,
  { error, groups, fargateProfiles }: EksInspection,
): { findings: Finding[]; nodes: InspectionSummary[] } {
  const where = `EKS cluster ${eks.cluster} in ${eks.region}`;
  const nodes = groups.map(summariseGroup);
  if (error !== null) return { findings: [findingOfError(error, 'aws')], nodes };
  const count = groups.length === 1 ? '1 node group' : `${groups.length} node groups`;
  const findings: Finding[] = [];
  if (groups.length === 0) {
    findings.push(
      warning(
        'aws',
        `${where} has no managed node groups, so there is nothing to update: nodes of EKS Auto Mode and Karpenter and self-managed nodes belong to no node group`,
        null,
      ),
    );
  } else if (groups.some((group) => group.ok || group.facts !== null)) {
    findings.push(ok('aws', `AWS answers, accepts the credentials of the worker, and knows ${where}: ${count}`));
  }
  findings.push(...unknownReleaseFindings(groups, eks.region));
  if (fargateProfiles !== null && fargateProfiles.length > 0) {
    const names = fargateProfiles.slice(0, 5).join(', ');
    findings.push(ok('aws', `Fargate profiles (${names}) are skipped: AWS patches what they run`));
  }
  return { findings, nodes };
}

const UPDATES_EACH_TIME = 'so each run requests an update, and AWS may replace nodes that run the newest one already';

/** One finding per reason. */
function unknownReleaseFindings(groups: readonly NodegroupCheck[], region: string): Finding[] {
  const unknown = (why: NodegroupFacts['newestUnknown']): NodegroupFacts[] =>
    groups.flatMap(({ facts }) => (facts !== null && facts.newestUnknown === why ? [facts] : []));
  const found: Finding[] = [];
  if (unknown('denied').length > 0) {
    const message = `the worker may not read which release is the newest, ${UPDATES_EACH_TIME}`;
    found.push(
      warning('aws', message, 'allow ssm:GetParameter to the role of the worker; the policy is in docs/eks.md'),
    );
  }
  if (unknown('silent').length > 0) {
    const message = `AWS Systems Manager does not answer which release is the newest, ${UPDATES_EACH_TIME}`;
    found.push(warning('aws', message, `check that the worker reaches the SSM API of ${region}`));
  }
  const images = new Set(unknown('not-published').map(({ amiType, version }) => `${amiType} of Kubernetes ${version}`));
  for (const image of [...images].slice(0, 5)) {
    const message = `AWS publishes no newest release of ${image} in ${region}, ${UPDATES_EACH_TIME}`;
    found.push(warning('aws', message, 'check the EKS documentation for whether AWS still releases this image'));
  }
  return found;
}

/** No worker polls the task queue for AWS calls. */
export function eksSiteFinding(taskQueue: string): Finding {
  return problem(
    'worker',
    `no worker polls the task queue ${taskQueue}, so no node group is updated, and runs wait for a worker`,
    `run \`ospatch worker --task-queue ${taskQueue}\` where AWS can be reached with credentials`,
  );
}

function summariseGroup(check: NodegroupCheck): InspectionSummary {
  const findings = check.ok
    ? [updatable(check.facts, check.skipReason), ...endOfLife(check.facts), ...health(check.facts)]
    : [
        problem('node-group', check.error.message, check.error.remedy ?? null),
        ...endOfLife(check.facts),
        ...health(check.facts),
      ];
  const os = check.facts === null ? null : check.facts.releaseVersion;
  return { node: check.node, verdict: worstOf(findings), os, pending: null, findings };
}

function updatable(
  { version, releaseVersion, status, newest, endOfLife: ended }: NodegroupFacts,
  skipReason: string | null,
): Finding {
  if (skipReason !== null) return warning('node-group', `a run skips this node group: ${skipReason}`, null);
  return ok(
    'node-group',
    `release ${releaseVersion}${preview(releaseVersion, newest, ended !== undefined)}, Kubernetes ${version}, ${status}`,
  );
}

function preview(running: string, newest: string | undefined, hasEnded: boolean): string {
  if (newest === undefined) return '';
  const last = hasEnded ? ', the last release of its line' : ', the newest release';
  return isNewest(running, newest) ? last : `, which a run updates to ${newest}`;
}

function endOfLife(facts: NodegroupFacts | null): Finding[] {
  return facts?.endOfLife === undefined ? [] : [findingOfWarning(facts.endOfLife)];
}

function health(facts: NodegroupFacts | null): Finding[] {
  return (facts?.health ?? []).map((issue) =>
    warning(
      'node-group',
      `AWS reports: ${issue}`,
      'repair the node group in the AWS console; until then an update may fail',
    ),
  );
}
