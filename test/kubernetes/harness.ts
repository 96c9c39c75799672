/** The activities of `src/activities/kubernetes.ts` against the simulated API server, through the real client. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createKubernetesActivities } from '../../src/activities/kubernetes';
import type { MachineIdentity } from '../../src/domain/kubernetes/types';
import type { KubernetesActivities, KubernetesTarget } from '../../src/contract/activities/kubernetes';
import type { BlockedPod, CordonOwner, DrainPolicy } from '../../src/domain/kubernetes/types';
import { DEFAULT_DRAIN } from '../../src/domain/kubernetes/types';
import type { KubernetesConnections } from '../../src/kubernetes/client/connections';
import { createConnections } from '../../src/kubernetes/client/connections';
import { FakeApi } from './fake-api';

export const TARGET: KubernetesTarget = {
  cluster: 'demo',
  node: 'w-1',
  nodeName: 'w-1',
  access: { kubeconfig: 'config' },
};
export const MACHINE: MachineIdentity = { machineId: 'machine-w-1', bootId: 'boot-w-1' };
export const OWNER: CordonOwner = { cluster: 'demo', node: 'w-1', run: 7, token: '0123456789abcdef' };
export const CORDON = { target: TARGET, machine: MACHINE, owner: OWNER, unreachableTimeoutMs: 5_000 };

export function drainInput(policy: Partial<DrainPolicy> = {}) {
  return { ...CORDON, policy: { ...DEFAULT_DRAIN, ...policy }, startedAt: new Date().toISOString() };
}

export function previewInput(policy: Partial<DrainPolicy> = {}) {
  return { target: TARGET, machine: MACHINE, policy: { ...DEFAULT_DRAIN, ...policy }, unreachableTimeoutMs: 60_000 };
}

export interface Harness {
  api: FakeApi;
  activities: KubernetesActivities;
  environment: MockActivityEnvironment;
  connections: KubernetesConnections;
  heartbeats: { waitingFor?: string; waitingSince?: string; blocked?: BlockedPod[]; done?: number; total?: number }[];
  /** Runs one activity like a worker. */
  run<P extends unknown[], R>(activity: (...args: P) => Promise<R>, ...args: P): Promise<R>;
  /** The environment of the next attempt, with the last heartbeat of the one before. */
  retry(): MockActivityEnvironment;
  /** The same after a worker that was killed before it sent a heartbeat. */
  retryWithoutHeartbeat(): MockActivityEnvironment;
  stop(): Promise<void>;
}

export async function setUp(options: { callTimeoutMs?: number; podUid?: string } = {}): Promise<Harness> {
  const api = await new FakeApi().start();
  const { podUid = null, ...calls } = options;
  const connections = createConnections({ kubeconfigDir: api.directory, ...calls });
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const activities = createKubernetesActivities({ connections, log, podUid, settledMs: 500, forbiddenGraceMs: 1_000 });
  const heartbeats: Harness['heartbeats'] = [];
  const environmentFor = (info: object) => {
    const environment = new MockActivityEnvironment(info, { logger: new DefaultLogger('ERROR') });
    environment.on('heartbeat', (details: Harness['heartbeats'][number]) => heartbeats.push({ ...details }));
    return environment;
  };
  const environment = environmentFor({ attempt: 1 });
  return {
    api,
    activities,
    environment,
    connections,
    heartbeats,
    run: (activity, ...args) => environment.run(activity, ...args),
    retry: () => environmentFor({ attempt: 2, heartbeatDetails: heartbeats.at(-1) }),
    retryWithoutHeartbeat: () => environmentFor({ attempt: 2 }),
    stop: async () => {
      await connections.close();
      await api.stop();
    },
  };
}
