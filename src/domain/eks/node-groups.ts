/** EKS managed node groups: facts, refusals, and how updates ended. */
import type { ErrorInfo } from '../shared/errors';
import type { NodeWarning } from '../node/warning';
import type { EksSpec } from '../spec/types';
import type { EksAccess, EksPolicy } from './policy';
import { plainText, withoutFullStop } from '../shared/text';
import { defined } from '../shared/defined';

export type { EksAccess, EksPolicy } from './policy';

/** AWS allows at most some hundred node groups in a cluster. */
export const MAX_NODE_GROUPS = 500;

/** What AWS allows in the name of a node group; that of a cluster may be 100 characters long. */
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
  /** AMI release, e.g. `1.31.3-20250103`. This is the Patched Version. */
  releaseVersion: string;
  amiType: string;
  /** Name of its launch template; null without one. */
  launchTemplate: string | null;
  /** Health issues, each in AWS's words. */
  health: string[];
  /** The newest release of its image, where a check could read it. */
  newest?: string;
  /** Why a check could not read that; absent: it could, or its kind of image has none. */
  newestUnknown?: 'not-published' | 'denied' | 'silent';
  /** Its line of images, or its Kubernetes version, gets no more releases, or soon will not. Absent: as far as is known it does. */
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

/** How asking for an update came out. */
export type BegunUpdate =
  | { state: 'started'; updateId: string }
  /** AWS has nothing newer for the group. */
  | { state: 'up-to-date' }
  /** An update that somebody else has begun; `adopted`: it brings another version, as ours would. */
  | { state: 'in-progress'; updateId: string; type: string; adopted: boolean };

/** What a look at an EKS cluster found. */
export interface EksInspection {
  /** Why the look ended early; null when it did not. */
  error: ErrorInfo | null;
  groups: NodegroupCheck[];
  /** Null when AWS does not let the worker list them. */
  fargateProfiles: string[] | null;
}

/** One node group in a check. `node` is its name. */
export type NodegroupCheck =
  | {
      node: string;
      ok: true;
      facts: NodegroupFacts;
      /** A run passes it over, for this reason; null when it is updated. */
      skipReason: string | null;
    }
  | { node: string; ok: false; facts: NodegroupFacts | null; error: ErrorInfo };

/** Why the group is not brought to a newer release this way, in one sentence; null when it is. */
export function nodegroupRefusal(
  { name, status, version, releaseVersion, amiType, launchTemplate }: NodegroupFacts,
  { launchTemplates = false }: Pick<EksPolicy, 'launchTemplates'>,
): string | null {
  // Where a launch template brings an image, its id takes the place of the release.
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

/** The health issues of AWS as sentences, at most five. */
export function healthIssues(details: readonly AwsErrorDetail[]): string[] {
  return details.slice(0, MAX_HEALTH_ISSUES).map(describeDetail);
}

/** Why an update of AWS did not succeed, in the words of AWS; null when it did. */
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
 * Whether AWS says by this message that there is nothing to update. It has the same type of error for requests that it
 * cannot carry out.
 */
export function saysUpToDate(message: string): boolean {
  return UP_TO_DATE.some((saying) => saying.test(message));
}

/** No document of AWS has the sentence, so all that it may be. */
const UP_TO_DATE = [
  /\bno (newer|updates?|changes?)\b|\bnothing to update\b/i,
  /\balready (at|on|has|the|running|using|up|updated)\b/i,
  /\bup[- ]to[- ]date\b|\bsame (release )?version\b/i,
  /\b(is|at|on|has|runs|running|using) the (latest|newest)\b/i,
];

/** The part of a spec's `eks` that leads to AWS. */
export function accessOf({ region, cluster, profile, endpoint }: EksPolicy): EksAccess {
  return {
    ...{ region, cluster },
    ...defined({ profile, endpoint }),
  };
}

/** What the cluster was before it could be patched: listed only. Workflows of that time have such a spec. */
export function isListedEks(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'eks' && !('eks' in value);
}

/** True for an EKS cluster whose node groups are updated. */
export function isEks(spec: { type: string }): spec is EksSpec {
  return spec.type === 'eks' && !isListedEks(spec);
}
