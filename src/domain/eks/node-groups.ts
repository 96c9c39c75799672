/** EKS managed node groups: facts, refusals, and update results. */
import type { ErrorInfo } from '../shared/errors';
import type { NodeWarning } from '../node/warning';
import type { EksSpec } from '../spec/types';
import type { EksAccess, EksPolicy } from './policy';
import { plainText, withoutFullStop } from '../shared/text';
import { defined } from '../shared/defined';

export type { EksAccess, EksPolicy } from './policy';

/** AWS allows some hundred node groups per cluster. */
export const MAX_NODE_GROUPS = 500;

/** The node group names that AWS accepts; cluster names may have up to 100 characters. */
export const NODE_GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

const MAX_HEALTH_ISSUES = 5;
const MAX_RESOURCES = 5;
const MAX_ERRORS = 5;

/** One node group as AWS describes it; text is capped. */
export interface NodegroupFacts {
  name: string;
  /** ACTIVE, UPDATING, DEGRADED, CREATING, ... */
  status: string;
  /** Kubernetes version, e.g. `1.31`. */
  version: string;
  /** AMI release, e.g. `1.31.3-20250103`: the Patched Version. */
  releaseVersion: string;
  amiType: string;
  /** Name of the launch template; null without one. */
  launchTemplate: string | null;
  /** Health issues in AWS's words. */
  health: string[];
  /** The newest release of the image, where a check could read it. */
  newest?: string;
  /** Why a check could not read the newest release; absent: it could, or this kind of image has none. */
  newestUnknown?: 'not-published' | 'denied' | 'silent';
  /** The image line or Kubernetes version gets no more releases, or soon will not. Absent: no end is known. */
  endOfLife?: NodeWarning;
}

/** One update of a node group. */
export interface NodegroupUpdate {
  id: string;
  /** VersionUpdate, ConfigUpdate, ... */
  type: string;
  /** InProgress, Successful, Failed, Cancelled. */
  status: string;
  errors: AwsErrorDetail[];
}

export interface AwsErrorDetail {
  code: string;
  message: string;
  resourceIds: string[];
}

/** The answer to a requested update. */
export type BegunUpdate =
  | { state: 'started'; updateId: string }
  /** AWS has nothing newer for the group. */
  | { state: 'up-to-date' }
  /** An update started by someone else; `adopted`: a version update, equivalent to ours. */
  | { state: 'in-progress'; updateId: string; type: string; adopted: boolean };

/** The result of inspecting an EKS cluster. */
export interface EksInspection {
  /** Why the inspection ended early; null when it completed. */
  error: ErrorInfo | null;
  groups: NodegroupCheck[];
  /** Null when AWS does not let the worker list them. */
  fargateProfiles: string[] | null;
}

/** One inspected node group. `node` is its name. */
export type NodegroupCheck =
  | {
      node: string;
      ok: true;
      facts: NodegroupFacts;
      /** Why a run skips the group; null when a run updates it. */
      skipReason: string | null;
    }
  | { node: string; ok: false; facts: NodegroupFacts | null; error: ErrorInfo };

/** Why ospatch does not update the group, in one sentence; null when it does. */
export function nodegroupRefusal(
  { name, status, version, releaseVersion, amiType, launchTemplate }: NodegroupFacts,
  { launchTemplates = false }: Pick<EksPolicy, 'launchTemplates'>,
): string | null {
  // With an image from a launch template, the release field holds the AMI id.
  if (amiType === 'CUSTOM' || releaseVersion.startsWith('ami-')) {
    const origin = launchTemplate === null ? '' : ` of its launch template ${launchTemplate}`;
    return `node group ${name} runs a custom AMI${origin}, for which AWS has no releases; put a newer image into the launch template and move the group to it`;
  }
  if (launchTemplate !== null && !launchTemplates) {
    return `node group ${name} has the launch template ${launchTemplate}, which may be managed elsewhere together with its release; set eks.launchTemplates: true to update the release and keep the template`;
  }
  switch (status) {
    case 'CREATING':
      return `node group ${name} is being created, at the latest release; it is updated from the next run on`;
    case 'DELETING':
      return `node group ${name} is being deleted`;
    case 'CREATE_FAILED':
    case 'DELETE_FAILED':
      return `node group ${name} is ${status} at AWS; repair or delete it in the AWS console`;
    default:
      return version === ''
        ? `node group ${name} has no Kubernetes version at AWS whose releases could be requested`
        : null;
  }
}

/** Health issues of AWS as sentences, at most five. */
export function healthIssues(details: readonly AwsErrorDetail[]): string[] {
  return details.slice(0, MAX_HEALTH_ISSUES).map(describeDetail);
}

/** Why an update at AWS did not succeed, in AWS's words; null when it did. */
export function updateFailure(group: string, update: NodegroupUpdate, adopted: boolean): ErrorInfo | null {
  if (update.status === 'Successful') return null;
  const whose = adopted ? 'update started by someone else' : 'update';
  const why = update.errors.slice(0, MAX_ERRORS).map(describeDetail).join('; ');
  const evictionFailed = update.errors.some(({ code }) => code === 'PodEvictionFailure');
  return {
    type: 'Aws',
    message: `AWS ended the ${whose} of node group ${group} as ${update.status}${why === '' ? '' : `: ${why}`}`,
    remedy: evictionFailed
      ? 'make room in the PodDisruptionBudgets of these pods, or set eks.force: true; then patch again'
      : `fix what AWS reports, then patch again; more: aws eks describe-update --update-id ${update.id}`,
    details: { updateId: update.id, errors: update.errors.slice(0, MAX_ERRORS) },
  };
}

function describeDetail({ code, message, resourceIds }: AwsErrorDetail): string {
  const shown = resourceIds.slice(0, MAX_RESOURCES).join(', ');
  const more = resourceIds.length > MAX_RESOURCES ? ` and ${resourceIds.length - MAX_RESOURCES} more` : '';
  const where = shown === '' ? '' : ` (${shown}${more})`;
  return plainText(`${code}: ${withoutFullStop(message)}${where}`, 300);
}

/**
 * Whether this AWS message means that there is nothing to update. AWS uses the same error type for invalid requests.
 */
export function saysUpToDate(message: string): boolean {
  return UP_TO_DATE.some((saying) => saying.test(message));
}

/** AWS documents no exact sentence, so this list covers plausible wordings. */
const UP_TO_DATE = [
  /\bno (newer|updates?|changes?)\b|\bnothing to update\b/i,
  /\balready (at|on|has|the|running|using|up|updated)\b/i,
  /\bup[- ]to[- ]date\b|\bsame (release )?version\b/i,
  /\b(is|at|on|has|runs|running|using) the (latest|newest)\b/i,
];

/** The AWS access part of a spec's `eks` section. */
export function accessOf({ region, cluster, profile, endpoint }: EksPolicy): EksAccess {
  return {
    ...{ region, cluster },
    ...defined({ profile, endpoint }),
  };
}

/** Before node groups were supported, an EKS spec only listed the cluster; old workflows have such a spec. */
export function isListedEks(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'eks' && !('eks' in value);
}

/** True for an EKS cluster whose node groups are updated. */
export function isEks(spec: { type: string }): spec is EksSpec {
  return spec.type === 'eks' && !isListedEks(spec);
}
