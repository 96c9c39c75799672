/** Inspects an EKS cluster for `check` and `doctor`. */
import type { EksInspection, EksPolicy, NodegroupCheck } from '../domain/eks/node-groups';
import { nodegroupRefusal } from '../domain/eks/node-groups';
import type { EksCaller } from './eks-caller';
import type { AwsErrorKind } from './errors';
import { isAwsError } from './errors';
import { defined } from '../domain/shared/defined';

const GROUPS_AT_ONCE = 5;

/** Errors that all further calls would hit too. */
const GENERAL = new Set<AwsErrorKind>(['credentials', 'denied', 'transient', 'intermediary']);

/** Collects everything AWS reports, including the calls that failed. */
export async function inspectNodegroups(
  caller: EksCaller,
  wanted: 'all' | readonly string[],
  policy: Pick<EksPolicy, 'launchTemplates'>,
): Promise<EksInspection> {
  const groups: NodegroupCheck[] = [];
  try {
    const names =
      wanted === 'all' ? await caller.call('listNodegroups', (api, signal) => api.listNodegroups(signal)) : wanted;
    const sorted = wanted === 'all' ? [...names].sort() : names;
    for (let at = 0; at < sorted.length; at += GROUPS_AT_ONCE) {
      const batch = sorted.slice(at, at + GROUPS_AT_ONCE);
      groups.push(
        ...(await Promise.all(
          batch.map((name) => checkGroup(caller, name, { ...policy, skipReasonOf: wanted === 'all' })),
        )),
      );
    }
    return { error: null, groups, fargateProfiles: await fargateProfiles(caller) };
  } catch (error) {
    if (!isAwsError(error)) throw error;
    return { error: error.toInfo(), groups, fargateProfiles: null };
  }
}

async function checkGroup(
  caller: EksCaller,
  name: string,
  { skipReasonOf, ...policy }: Pick<EksPolicy, 'launchTemplates'> & { skipReasonOf: boolean },
): Promise<NodegroupCheck> {
  try {
    const described = await caller.call('describeNodegroup', (api, signal) => api.describeNodegroup(name, signal));
    const found = await caller.call('newestRelease', (api, signal) => api.newestRelease(described, signal));
    const facts =
      found.release === null
        ? { ...described, ...defined({ newestUnknown: found.why === 'no-such-image' ? undefined : found.why }) }
        : { ...described, newest: found.release };
    const refusal = nodegroupRefusal(facts, policy);
    if (refusal === null || skipReasonOf) return { node: name, ok: true, facts, skipReason: refusal };
    return { node: name, ok: false, facts, error: { type: 'Policy', message: refusal } };
  } catch (error) {
    if (!isAwsError(error) || GENERAL.has(error.kind)) throw error;
    return { node: name, ok: false, facts: null, error: error.toInfo() };
  }
}

/** Informational only, so a worker does not need the permission to list them. */
async function fargateProfiles(caller: EksCaller): Promise<string[] | null> {
  try {
    return await caller.call('listFargateProfiles', (api, signal) => api.listFargateProfiles(signal));
  } catch (error) {
    if (!isAwsError(error)) throw error;
    return null;
  }
}
