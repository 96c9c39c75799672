/**
 * The node of a scenario as a node of a real control plane, with a workload whose budget must never be violated. The
 * workload can run on that node and on a spare one of this scenario, so scenarios can share a control plane.
 */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { sleep } from '../../src/dev/host';
import type { ControlPlane } from '../../tools/kube/control-plane';
import { startControlPlane } from '../../tools/kube/control-plane';
import {
  TERMINATES_IN,
  addBudget,
  addDaemonSet,
  addDeployment,
  addNamespace,
  addNode,
  isHealthy,
} from '../support/kube-objects';
import { startKubelet } from '../support/kubelet';
import type { LabNode, LabNodeOptions } from '../support/local-stack';
import { slowPackage } from '../support/local-stack';
import { waitFor } from '../support/wait-for';
import { SLOW_SECONDS } from './fault-node';
import type { Environment } from './environment';

/** All run on the node when a fault begins, and are evicted one after the other. */
export const REPLICAS = 3;
export const MIN_AVAILABLE = 2;
const ENDS_IN = '2500ms';
const WEB = 'web';
const LABEL = 'scenario';
const LOOK_EVERY_MS = 100;

/** Controllers that have lost their API server several times reconnect with a growing delay. */
const WHOLE_TIMEOUT_MS = 240_000;

/** Long enough for a fault in the middle. */
export const KUBE_NODE: Omit<LabNodeOptions, 'name'> = {
  updates: 'none',
  labReboot: true,
  labUpdates: [{ from: slowPackage('1.0', 0), to: slowPackage('1.1', SLOW_SECONDS) }],
};

/** Findings of a continuous observer. */
interface Sightings {
  fewestReady: number;
  /** Deleted or evicted pods of the workload. */
  left: number;
  /** Pods of the workload that were on the node while the node was down. */
  struck: number;
  looks: number;
}

export interface KubernetesScenario {
  readonly plane: ControlPlane;
  /** Name of the node in Kubernetes. */
  readonly nodeName: string;
  /** Name in the spec. */
  readonly kubeconfig: string;
  node(): Promise<V1Node>;
  /** Pods of the workload, terminating ones included. */
  pods(): Promise<V1Pod[]>;
  sightings(): Sightings;
  /** Moves all pods of the workload back to the node, within their budget; the node must be schedulable. */
  sendHome(): Promise<void>;
  /** Waits until all pods of the workload are ready. */
  whole(): Promise<void>;
  report(): Promise<string>;
  close(): Promise<void>;
}

interface KubernetesScenarioOptions {
  /** A separate control plane, whose API server may be killed. */
  ownPlane: boolean;
}

const withAgent = new WeakMap<ControlPlane, Promise<unknown>>();

export async function makeKubernetesScenario(
  environment: Environment,
  cluster: string,
  lab: LabNode,
  { ownPlane }: KubernetesScenarioOptions,
): Promise<KubernetesScenario> {
  const plane = await (ownPlane ? startControlPlane() : environment.plane());
  const nodeName = `${cluster}-node`;
  copyFileSync(plane.kubeconfigs.ospatch, path.join(environment.kubeconfigDir, cluster));
  const labels = { [LABEL]: cluster };
  const kubelet = await startKubelet(plane, lab, { name: nodeName, labels });
  await Promise.all([addWorkload(plane, cluster), agentOn(plane)]);
  const spare = `${cluster}-spare`;
  await addNode(plane, spare, { labels });

  const watcher = watch(plane, cluster, nodeName, lab);
  const pods = (): Promise<V1Pod[]> => webPods(plane, cluster);
  return {
    plane,
    nodeName,
    kubeconfig: cluster,
    node: () => plane.api.get<V1Node>({ kind: 'Node', name: nodeName }),
    pods,
    sightings: watcher.seen,
    sendHome: async () => {
      const mayTakePods = (may: boolean): Promise<unknown> =>
        plane.api.patch({ kind: 'Node', name: spare }, { spec: { unschedulable: may ? null : true } });
      await mayTakePods(false);
      for (const { metadata } of await pods()) {
        if (metadata?.deletionTimestamp !== undefined) continue;
        const evicted = (): Promise<boolean> =>
          plane.api.evict(cluster, metadata?.name ?? '').then(
            () => true,
            () => false,
          );
        await waitFor(evicted, { what: `the eviction of ${metadata?.name}` });
      }
      const isHome = async (): Promise<boolean> =>
        countReady((await pods()).filter(({ spec }) => spec?.nodeName === nodeName)) === REPLICAS;
      await waitFor(isHome, { what: 'the return of all pods' });
      await mayTakePods(true);
    },
    whole: async () => {
      const what = `${REPLICAS} ready pods of ${cluster}`;
      await waitFor(async () => countReady(await pods().catch(() => [])) === REPLICAS, {
        what,
        timeoutMs: WHOLE_TIMEOUT_MS,
      });
    },
    report: async () => {
      const [node, now] = await Promise.all([plane.api.get<V1Node>({ kind: 'Node', name: nodeName }), pods()]);
      const { metadata, spec, status } = node;
      const seen = { ...watcher.seen(), annotations: metadata?.annotations, by: metadata?.managedFields?.map(managed) };
      return [
        `==> node ${nodeName} <==`,
        JSON.stringify({ ...seen, spec, conditions: status?.conditions, info: status?.nodeInfo }, null, 2),
        ...now.map(
          (pod) => `${pod.metadata?.name} on ${pod.spec?.nodeName}: ${JSON.stringify(pod.status?.conditions)}`,
        ),
        ...watcher.story(),
      ].join('\n');
    },
    close: async () => {
      await watcher.stop();
      await kubelet.stop();
      if (ownPlane) await plane.stop();
    },
  };
}

function managed({ manager, operation, time }: { manager?: string; operation?: string; time?: unknown }): string {
  return `${manager} ${operation} ${String(time)}`;
}

/** With no other node yet, every pod starts on the node of the scenario. */
async function addWorkload(plane: ControlPlane, cluster: string): Promise<void> {
  await addNamespace(plane, cluster);
  await addDeployment(plane, WEB, {
    namespace: cluster,
    replicas: REPLICAS,
    annotations: { [TERMINATES_IN]: ENDS_IN },
    spec: { nodeSelector: { [LABEL]: cluster } },
  });
  await addBudget(plane, WEB, WEB, { minAvailable: MIN_AVAILABLE }, cluster);
}

/** A DaemonSet with a pod on every node, once for all scenarios of a control plane. */
async function agentOn(plane: ControlPlane): Promise<void> {
  const added =
    withAgent.get(plane) ??
    plane.api
      .create({ kind: 'Namespace', metadata: { name: 'agents' } })
      .then(() =>
        addDaemonSet(plane, 'agent', { namespace: 'agents', spec: { tolerations: [{ operator: 'Exists' }] } }),
      );
  withAgent.set(plane, added);
  await added;
}

function webPods(plane: ControlPlane, cluster: string): Promise<V1Pod[]> {
  return plane.api.list<V1Pod>({ kind: 'Pod', namespace: cluster }, `labelSelector=app%3D${WEB}`);
}

function countReady(pods: readonly V1Pod[]): number {
  return pods.filter(isHealthy).length;
}

function watch(plane: ControlPlane, cluster: string, nodeName: string, lab: LabNode) {
  const seen: Sightings = { fewestReady: Infinity, left: 0, struck: 0, looks: 0 };
  const known = new Set<string>();
  const left = new Set<string>();
  const struck = new Set<string>();
  const story: string[] = [];
  let over = false;
  const poll = async (): Promise<void> => {
    const wasDown = !lab.running;
    // The API server may be unavailable for a moment.
    const pods = await webPods(plane, cluster).catch(() => null);
    if (pods === null) return;
    const now = new Set(pods.map(({ metadata }) => metadata?.uid ?? ''));
    // A pod that disappears between two polls has left too.
    for (const uid of known) if (!now.has(uid)) left.add(uid);
    for (const { metadata, spec } of pods) {
      const uid = metadata?.uid ?? '';
      known.add(uid);
      if (metadata?.deletionTimestamp !== undefined && !left.has(uid)) {
        left.add(uid);
        story.push(`${new Date().toISOString()} ${metadata.name} leaves ${spec?.nodeName}`);
      }
      if (wasDown && !lab.running && spec?.nodeName === nodeName) struck.add(uid);
    }
    seen.fewestReady = Math.min(seen.fewestReady, countReady(pods));
    seen.looks += 1;
  };
  const watching = (async () => {
    while (!over) {
      await poll();
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    seen: () => ({ ...seen, left: left.size, struck: struck.size }),
    story: () => story,
    stop: () => {
      over = true;
      return watching;
    },
  };
}
