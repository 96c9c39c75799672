/**
 * A simulated kubelet: reports machine id, boot id and readiness of a lab node to the API server. Its pods are simulated
 * by kwok.
 */
import type { V1Pod } from '@kubernetes/client-node';
import type { ControlPlane } from '../../tools/kube/control-plane';
import { sleep } from '../../src/dev/host';
import { addNode, bootNode, setPodReady, stopNode } from './kube-objects';
import type { LabNode } from './local-stack';

const LOOK_EVERY_MS = 100;
/** A killed API server is back by then. */
const TELL_FOR_MS = 180_000;

/** The facts recognise a Kubernetes node by a unit of this name and its process. */
const UNIT = `[Unit]
Description=Stands in for the kubelet
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`;

export interface Kubelet {
  stop(): Promise<void>;
}

interface KubeletOptions {
  /** The node's name in Kubernetes; default its own. */
  name?: string;
  labels?: Record<string, string>;
}

/** Registers the node and keeps its status up to date, until stopped. */
export async function startKubelet(
  plane: ControlPlane,
  node: LabNode,
  { name = node.name, labels = {} }: KubeletOptions = {},
): Promise<Kubelet> {
  const unit = await node.exec(
    `printf %s '${UNIT}' >/etc/systemd/system/kubelet.service && systemctl enable --now kubelet.service`,
  );
  if (unit.code !== 0) throw new Error(`the unit of the kubelet on ${node.name}: ${unit.stderr}`);
  let boot = node.bootCount;
  const machineId = node.readFile('/etc/machine-id').trim();
  await addNode(plane, name, { machineId, bootId: await bootIdOf(node), labels });
  let ended = false;
  const watch = async (): Promise<void> => {
    while (!ended) {
      await sleep(LOOK_EVERY_MS);
      if (node.bootCount === boot && node.running) continue;
      await retry(() => stopNode(plane, name));
      while (!node.running && !ended) await sleep(LOOK_EVERY_MS);
      if (ended) return;
      boot = node.bootCount;
      const bootId = await retry(() => bootIdOf(node));
      await retry(() => bootNode(plane, name, bootId));
      await retry(() => restartPods(plane, name));
    }
  };
  const watching = watch();
  return {
    stop: () => {
      ended = true;
      return watching;
    },
  };
}

/** A kubelet retries while its machine is down or the API server is unavailable. */
async function retry<T>(tell: () => Promise<T>): Promise<T> {
  const until = Date.now() + TELL_FOR_MS;
  for (;;) {
    try {
      return await tell();
    } catch (error) {
      if (Date.now() > until) throw error;
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** The control plane marks the pods of a silent node unready; its kubelet restarts them. */
async function restartPods(plane: ControlPlane, node: string): Promise<void> {
  for (const pod of await plane.api.list<V1Pod>({ kind: 'Pod' }, `fieldSelector=spec.nodeName%3D${node}`)) {
    await setPodReady(plane, pod.metadata?.namespace ?? '', pod.metadata?.name ?? '', true);
  }
}

async function bootIdOf(node: LabNode): Promise<string> {
  const { code, stdout, stderr } = await node.exec('cat /proc/sys/kernel/random/boot_id');
  if (code !== 0) throw new Error(`${node.name} does not tell its boot id: ${stderr}`);
  return stdout.trim();
}
