/**
 * Detects other reboot owners in the same cluster; two of them would take nodes down at once. Whoever may create a
 * workload in one namespace can give one any name, so owners are believed in trusted namespaces, and elsewhere if their
 * service account may change nodes.
 */
import { OspatchError } from '../../domain/shared/errors';
import type { KubernetesOwnerPolicy } from '../../domain/node/reboot-owners';
import { TRUSTED_NAMESPACES, ignoredOwnerText, splitOwners } from '../../domain/node/reboot-owners';
import type { NodeWarning } from '../../domain/node/warning';
import type { ControllerView } from '../client/api';
import { ApiError } from '../client/api';
import type { KubeSession } from '../session';

/** Matches the last part of the image name, whatever the registry. */
const KURED_IMAGE = /(?:^|\/)kured(?:[:@]|$)/;
const UPGRADE_CONTROLLER = 'system-upgrade-controller';
const UPGRADE_CONTROLLER_IMAGE = /(?:^|\/)system-upgrade-controller(?:[:@]|$)/;

/** More than these outside of trusted namespaces are not asked about; each costs a request. */
const MAX_ASKED = 20;

interface FoundOwner {
  /** E.g. `kured (DaemonSet kube-system/kured)`. */
  title: string;
  controller: ControllerView;
}

/** The owners that refuse a drain, and a warning for each that does not. Controllers scaled to zero do not count. */
export async function findRebootOwners(
  session: KubeSession,
  { trustedNamespaces = [...TRUSTED_NAMESPACES], ignored = [] }: KubernetesOwnerPolicy = {},
): Promise<{ owners: string[]; others: NodeWarning[] }> {
  const owners: string[] = [];
  const others: NodeWarning[] = [];
  let asked = 0;
  for (const { title, controller } of await candidates(session)) {
    const [rule] = splitOwners([title], ignored).ignored;
    if (rule !== undefined) {
      others.push({ kind: 'other-updaters', message: ignoredOwnerText(title, rule.reason), remedy: null });
    } else if (trustedNamespaces.includes(controller.namespace)) {
      owners.push(title);
    } else {
      asked += 1;
      const may = asked > MAX_ASKED ? null : await mayChangeNodes(session, controller);
      if (may === true) owners.push(title);
      else others.push(notBelieved(title, controller, may));
    }
  }
  return { owners, others };
}

/** @throws OspatchError `Policy` */
export async function assertNoRebootOwners(
  session: KubeSession,
  policy: KubernetesOwnerPolicy | undefined,
): Promise<NodeWarning[]> {
  const { owners, others } = await findRebootOwners(session, policy);
  if (owners.length === 0) return others;
  throw new OspatchError({
    type: 'Policy',
    message: `${session.target.node} was not drained: its Kubernetes cluster has another reboot owner, ${owners.join(' and ')}`,
    remedy:
      'remove it or scale it to zero, then patch again; two reboot owners would take nodes down at once. patching.rebootOwners can ignore one for a reason',
  });
}

async function candidates({ reach }: KubeSession): Promise<FoundOwner[]> {
  const daemonSets = await reach((api) => api.listDaemonSets());
  const deployments = await reach((api) => api.listDeployments());
  return [
    ...daemonSets
      .filter((one) => runs(one, 'kured', KURED_IMAGE))
      .map((controller) => ({ title: `kured (DaemonSet ${titleOf(controller)})`, controller })),
    ...deployments
      .filter((one) => runs(one, UPGRADE_CONTROLLER, UPGRADE_CONTROLLER_IMAGE))
      .map((controller) => ({ title: `${UPGRADE_CONTROLLER} (Deployment ${titleOf(controller)})`, controller })),
  ];
}

/** Null: the API server does not let ospatch ask. */
async function mayChangeNodes({ reach }: KubeSession, controller: ControllerView): Promise<boolean | null> {
  const { namespace, serviceAccount } = controller;
  try {
    return await reach((api) => api.mayPatchNodes({ namespace, name: serviceAccount }));
  } catch (error) {
    if (error instanceof ApiError && error.kind === 'forbidden') return null;
    throw error;
  }
}

function notBelieved(title: string, { namespace, serviceAccount }: ControllerView, may: boolean | null): NodeWarning {
  const account = `its service account ${serviceAccount}`;
  const why =
    may === null
      ? `whether ${account} may change nodes is not known`
      : `${account} may not change nodes, so it is none`;
  return {
    kind: 'other-updaters',
    message: `${title} looks like another reboot owner outside of kubernetes.trustedNamespaces; ${why}`,
    remedy:
      may === null
        ? `add ${namespace} to kubernetes.trustedNamespaces if it reboots nodes, or let ospatch create subjectaccessreviews (\`ospatch rbac\`)`
        : `add ${namespace} to kubernetes.trustedNamespaces if it reboots nodes`,
  };
}

function runs({ name, images, wanted }: ControllerView, ownName: string, image: RegExp): boolean {
  return wanted > 0 && (name === ownName || images.some((one) => image.test(one)));
}

function titleOf({ namespace, name }: ControllerView): string {
  return `${namespace}/${name}`;
}
