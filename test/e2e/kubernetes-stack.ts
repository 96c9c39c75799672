/** Real nodes at a real control plane, with a worker that may drain them. */
import type { ControlPlane } from '../../tools/kube/control-plane';
import { startControlPlane } from '../../tools/kube/control-plane';
import { addDeployment } from '../support/kube-objects';
import type { Kubelet } from '../support/kubelet';
import { startKubelet } from '../support/kubelet';
import type { Stack } from './stack';
import { startStack } from './stack';

export interface KubernetesStack {
  plane: ControlPlane;
  stack: Stack;
  kubelets: Kubelet[];
}

/** What has been started is in `started` at once, so that it ends also after a failure. */
export async function startKubernetesStack(
  started: Partial<KubernetesStack>,
  names: readonly string[],
): Promise<KubernetesStack> {
  const plane = (started.plane = await startControlPlane());
  const stack = (started.stack = await startStack(
    names.map((name) => ({ name, updates: 'none' as const, labReboot: true })),
    { OSPATCH_KUBECONFIG_DIR: plane.kubeconfigDir },
  ));
  const kubelets = (started.kubelets = await Promise.all(stack.lab.nodes.map((node) => startKubelet(plane, node))));
  return { plane, stack, kubelets };
}

export async function stopKubernetesStack({ plane, stack, kubelets = [] }: Partial<KubernetesStack>): Promise<void> {
  await Promise.all(kubelets.map((kubelet) => kubelet.stop()));
  await stack?.stop();
  await plane?.stop();
}

/** One pod per node: an evicted pod finds no other node before its own is uncordoned. */
export async function addPodPerNode(plane: ControlPlane, app: string, replicas: number): Promise<void> {
  const onePerNode = { labelSelector: { matchLabels: { app } }, topologyKey: 'kubernetes.io/hostname' };
  await addDeployment(plane, app, {
    replicas,
    spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [onePerNode] } } },
  });
}
