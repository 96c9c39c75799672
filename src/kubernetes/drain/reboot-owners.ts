/** Detects other reboot owners in the same cluster; two of them would take nodes down at once. */
import { OspatchError } from '../../domain/shared/errors';
import type { ControllerView } from '../client/api';
import type { KubeSession } from '../session';

/** Matches the last part of the image name, whatever the registry. */
const KURED_IMAGE = /(?:^|\/)kured(?:[:@]|$)/;
const UPGRADE_CONTROLLER = 'system-upgrade-controller';
const UPGRADE_CONTROLLER_IMAGE = /(?:^|\/)system-upgrade-controller(?:[:@]|$)/;

/** Each as `kured (DaemonSet kube-system/kured)`. Controllers scaled to zero do not count. */
export async function findRebootOwners({ reach }: KubeSession): Promise<string[]> {
  const daemonSets = await reach((api) => api.listDaemonSets());
  const deployments = await reach((api) => api.listDeployments());
  return [
    ...daemonSets.filter((one) => runs(one, 'kured', KURED_IMAGE)).map((one) => `kured (DaemonSet ${titleOf(one)})`),
    ...deployments
      .filter((one) => runs(one, UPGRADE_CONTROLLER, UPGRADE_CONTROLLER_IMAGE))
      .map((one) => `${UPGRADE_CONTROLLER} (Deployment ${titleOf(one)})`),
  ];
}

/** @throws OspatchError `Policy` */
export async function assertNoRebootOwners(session: KubeSession): Promise<void> {
  const owners = await findRebootOwners(session);
  if (owners.length === 0) return;
  throw new OspatchError({
    type: 'Policy',
    message: `${session.target.node} was not drained: its Kubernetes cluster has another reboot owner, ${owners.join(' and ')}`,
    remedy: 'remove it or scale it to zero, then patch again; two reboot owners would take nodes down at once',
  });
}

function runs({ name, images, wanted }: ControllerView, ownName: string, image: RegExp): boolean {
  return wanted > 0 && (name === ownName || images.some((one) => image.test(one)));
}

function titleOf({ namespace, name }: ControllerView): string {
  return `${namespace}/${name}`;
}
