/** A node of a real control plane with its own pool and namespace, and the activities that work on it. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';

import { createKubernetesActivities } from '../../src/activities/kubernetes';
import type { MachineIdentity } from '../../src/domain/kubernetes/types';
import type { KubernetesActivities, KubernetesTarget } from '../../src/contract/activities/kubernetes';
import type { ControlPlane, ControlPlaneOptions } from '../../tools/kube/control-plane';
import { startControlPlane } from '../../tools/kube/control-plane';
import type {
  CordonOwner,
  DrainPreview,
  DrainPolicy,
  DrainReport,
  KubernetesBaseline,
} from '../../src/domain/kubernetes/types';
import { DEFAULT_DRAIN } from '../../src/domain/kubernetes/types';
import type { KubernetesApi } from '../../src/kubernetes/client/api';
import { createConnections } from '../../src/kubernetes/client/connections';
import type { PodOptions, WorkloadOptions } from '../support/kube-objects';
import { addNamespace, addNode, waitForCordon } from '../support/kube-objects';

const UNREACHABLE_MS = 30_000;

/** A running activity from the view of a test. */
export interface Watched {
  waitingFor?: string;
  done?: number;
  total?: number;
}

export interface Scenario {
  /** Name of the node, its namespace and its pool. */
  name: string;
  target: KubernetesTarget;
  machine: MachineIdentity;
  owner: CordonOwner;
  activities: KubernetesActivities;
  heartbeats: Watched[];
  /** Common fields of all workloads of the scenario: its namespace and the nodes of its pool. */
  here<T extends PodOptions | WorkloadOptions>(options: T): T;
  /** The API server as seen by the code below the activities. */
  connect(): KubernetesApi;
  /** A second node of the pool, to which pods can move. */
  addSpareNode(): Promise<string>;
  /** Runs one activity like a worker. */
  run<P extends unknown[], R>(activity: (...args: P) => Promise<R>, ...args: P): Promise<R>;
  preview(policy?: Partial<DrainPolicy>): Promise<DrainPreview>;
  cordon(): Promise<KubernetesBaseline>;
  /** The same, and waits until the scheduler has noticed the cordon. For pools without another node. */
  cordonForAll(): Promise<void>;
  drain(policy?: Partial<DrainPolicy>): Promise<DrainReport>;
  uncordon(): Promise<boolean>;
}

export interface Stage {
  plane: ControlPlane;
  /** A scenario whose worker has the kubeconfig of this name. */
  scenario(name: string, kubeconfig?: keyof ControlPlane['kubeconfigs']): Promise<Scenario>;
  stop(): Promise<void>;
}

export async function startStage(options: ControlPlaneOptions = {}): Promise<Stage> {
  const plane = await startControlPlane(options);
  const connections = createConnections({ kubeconfigDir: plane.kubeconfigDir });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const activities = createKubernetesActivities({ connections, log, settledMs: 500 });

  const environments: MockActivityEnvironment[] = [];
  return {
    plane,
    async scenario(name, kubeconfig = 'ospatch') {
      const heartbeats: Watched[] = [];
      const environment = new MockActivityEnvironment({ attempt: 1 }, { logger: new DefaultLogger('ERROR') });
      environments.push(environment);
      environment.on('heartbeat', (details: Watched) => heartbeats.push({ ...details }));
      await addNamespace(plane, name);
      await addNode(plane, name, { labels: { pool: name } });

      const target = { cluster: 'prod', node: name, nodeName: name, access: { kubeconfig } };
      const machine = { machineId: `machine-of-${name}`, bootId: `first-boot-of-${name}` };
      const owner = { cluster: 'prod', node: name, run: 7, token: '0123456789abcdef' };
      const common = { target, machine, unreachableTimeoutMs: UNREACHABLE_MS };
      const run: Scenario['run'] = (activity, ...args) => environment.run(activity, ...args);
      const cordon = () => run(activities.cordon, { ...common, owner });
      const whole = (policy: Partial<DrainPolicy> = {}) => ({ ...DEFAULT_DRAIN, timeout: '60s', ...policy });
      return {
        ...{ name, target, machine, owner, activities, heartbeats, run },
        here: (wanted) => ({ ...wanted, namespace: name, spec: { nodeSelector: { pool: name }, ...wanted.spec } }),
        connect: () => connections.api(target.access, new AbortController().signal),
        async addSpareNode() {
          const spare = `${name}-spare`;
          await addNode(plane, spare, { labels: { pool: name } });
          return spare;
        },
        preview: (policy) => run(activities.drainPreview, { ...common, policy: whole(policy) }),
        cordon,
        async cordonForAll() {
          await cordon();
          await waitForCordon(plane, name, name);
        },
        drain: (policy) => {
          const startedAt = new Date().toISOString();
          return run(activities.drain, { ...common, owner, policy: whole(policy), startedAt });
        },
        uncordon: () => run(activities.uncordon, { target, owner }),
      };
    },
    async stop() {
      for (const environment of environments) environment.cancel();
      await connections.close();
      await plane.stop();
    },
  };
}
