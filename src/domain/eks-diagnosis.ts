/** From a look at an EKS cluster to what that means for updating its node groups. */
import type { NodeDiagnosis } from './diagnosis';
import { isNewest, newestReleaseParameter } from './eks-releases';
import type { EksExamination, NodegroupCheck, NodegroupFacts } from './eks';
import type { Finding } from './finding';
import { findingOfError, ok, stops, warning, worstOf } from './finding';
import type { EksSpec } from './spec';

/** One finding on the way to AWS and the cluster there, and the node groups each with its own. */
export function diagnoseEks(
  { eks }: EksSpec,
  { error, groups, fargateProfiles }: EksExamination,
): { findings: Finding[]; nodes: NodeDiagnosis[] } {
  const where = `EKS cluster ${eks.cluster} in ${eks.region}`;
  const nodes = groups.map(diagnoseGroup);
  if (error !== null) return { findings: [findingOfError(error, 'aws')], nodes };
  const count = groups.length === 1 ? '1 node group' : `${groups.length} node groups`;
  const findings: Finding[] = [];
  if (groups.length === 0) {
    findings.push(
      warning(
        'aws',
        `${where} has no managed node groups, so there is nothing to update: nodes of EKS Auto Mode, of Karpenter and self-managed ones are in none.`,
        null,
      ),
    );
  } else if (groups.some((group) => group.ok || group.facts !== null)) {
    findings.push(ok('aws', `AWS answers, accepts the credentials of the worker, and knows ${where}: ${count}.`));
  }
  if (groups.some(couldKnowNewest)) findings.push(NEWEST_NOT_KNOWN);
  if (fargateProfiles !== null && fargateProfiles.length > 0) {
    const names = fargateProfiles.slice(0, 5).join(', ');
    findings.push(ok('aws', `Fargate profiles (${names}) are skipped: AWS patches what they run.`));
  }
  return { findings, nodes };
}

const NEWEST_NOT_KNOWN = warning(
  'aws',
  'which release is the newest cannot be read, so each run asks for an update, and AWS may replace nodes that run the newest one already.',
  'allow ssm:GetParameter to the role of the worker; the policy is in docs/eks.md',
);

function couldKnowNewest({ facts }: NodegroupCheck): boolean {
  return facts !== null && facts.newest === undefined && newestReleaseParameter(facts.amiType, facts.version) !== null;
}

/** Where no worker polls the task queue of those that ask AWS. */
export function diagnoseEksSite(taskQueue: string): Finding {
  return stops(
    'worker',
    `no worker polls the task queue ${taskQueue}, so nobody asks AWS and runs wait for one.`,
    `run \`ospatch worker --task-queue ${taskQueue}\` where AWS can be reached with credentials`,
  );
}

function diagnoseGroup(check: NodegroupCheck): NodeDiagnosis {
  const findings = check.ok
    ? [updatable(check.facts, check.passedOver), ...health(check.facts)]
    : [stops('node-group', check.error.message, check.error.remedy ?? null), ...health(check.facts)];
  const os = check.facts === null ? null : check.facts.releaseVersion;
  return { node: check.node, verdict: worstOf(findings), os, pending: null, findings };
}

function updatable({ version, releaseVersion, status, newest }: NodegroupFacts, passedOver: string | null): Finding {
  if (passedOver !== null) return warning('node-group', `a run passes it over: ${passedOver}`, null);
  return ok(
    'node-group',
    `release ${releaseVersion}${outlook(releaseVersion, newest)}, Kubernetes ${version}, ${status}.`,
  );
}

function outlook(running: string, newest: string | undefined): string {
  if (newest === undefined) return '';
  return isNewest(running, newest) ? ', the newest there is' : `, which a run updates to ${newest}`;
}

function health(facts: NodegroupFacts | null): Finding[] {
  return (facts?.health ?? []).map((issue) =>
    warning('node-group', `AWS reports: ${issue}.`, 'mend it in the AWS console; an update may fail because of it'),
  );
}
