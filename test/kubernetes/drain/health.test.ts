import type { EvictedWorkload, KubernetesBaseline } from '../../../src/domain/kubernetes/types';
import { waitFor as waitForCondition } from '../../support/wait-for';
import type { FakeNode } from '../fake-api';
import type { Harness } from '../harness';
import { MACHINE, TARGET, setUp } from '../harness';

const BASELINE: KubernetesBaseline = { ready: true, pressure: [], daemonsetsNotReady: [] };

let kube: Harness;
let node: FakeNode;

beforeEach(async () => {
  kube = await setUp();
  node = kube.api.node('w-1');
});
afterEach(() => kube.stop());

const waitFor = (condition: () => boolean, what: string) => waitForCondition(condition, { what, pollMs: 20 });
const awaitHealthy = (baseline: Partial<KubernetesBaseline> = {}, timeoutMs = 1_000, bootId = MACHINE.bootId) =>
  kube.run(kube.activities.awaitHealthy, {
    target: TARGET,
    machine: { ...MACHINE, bootId },
    baseline: { ...BASELINE, ...baseline },
    timeoutMs,
  });
const missing = (text: string) => ({ type: 'Unhealthy', message: expect.stringContaining(text) as string });

describe('src/kubernetes/drain/health (simulated)', () => {
  it('does not restart its timeout in the next attempt, whatever happened to the worker', async () => {
    node.conditions['Ready'] = 'False';
    kube.heartbeats.push({ elapsedMs: 3_600_000 } as object);
    const { awaitHealthy: healthy, awaitWorkloads: workloads } = kube.activities;
    const input = { target: TARGET, timeoutMs: 3_600_000 };
    const machine = { machine: MACHINE, baseline: BASELINE };
    await expect(kube.retry().run(healthy, { ...input, ...machine })).rejects.toMatchObject(missing('not Ready'));
    kube.api.deployments.push({ namespace: 'shop', name: 'web', image: 'web', replicas: 2, available: 1 });
    kube.heartbeats.push({ elapsedMs: 3_600_000 } as object);
    const left = [{ namespace: 'shop', kind: 'Deployment', name: 'web', availableBefore: 2 }] as EvictedWorkload[];
    await expect(kube.retry().run(workloads, { ...input, workloads: left })).rejects.toMatchObject(missing('shop/web'));
  });

  it('waits for the new boot in the kubelet, Ready and DaemonSet pods, and reports each wait', async () => {
    const proxy = kube.api.daemonSetPod('kube-system', 'proxy', { ready: false });
    node.conditions['Ready'] = 'False';
    const healthy = awaitHealthy({}, 60_000, 'boot-2');
    const told = (text: string) => waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes(text) === true, text);
    await told('has not reported since the boot');
    node.bootID = 'BOOT-2';
    await told('not Ready (Ready is False)');
    node.conditions['Ready'] = 'True';
    await told('DaemonSet kube-system/proxy are not ready');
    proxy.ready = true;
    await healthy;
  });

  it('fails on new node pressure, and ignores earlier pressure', async () => {
    node.conditions['DiskPressure'] = 'True';
    kube.api.daemonSetPod('kube-system', 'broken', { ready: false });
    await expect(awaitHealthy({ daemonsetsNotReady: ['kube-system/broken'] })).rejects.toMatchObject(
      missing('the node has DiskPressure and had not before'),
    );
    await expect(awaitHealthy({ pressure: ['DiskPressure'] })).rejects.toMatchObject(missing('kube-system/broken'));
    await awaitHealthy({ pressure: ['DiskPressure'], daemonsetsNotReady: ['kube-system/broken'] });
  });

  it('fails when the Node object belongs to another machine', async () => {
    node.machineID = 'another';
    await expect(awaitHealthy()).rejects.toMatchObject({ type: 'WrongNode' });
  });

  it('outlasts an outage of the API server within its timeout', async () => {
    await kube.api.goAway();
    const healthy = awaitHealthy({}, 60_000);
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('unreachable') === true, 'the outage');
    await kube.api.start();
    await healthy;
    await kube.api.goAway();
    await expect(awaitHealthy({}, 500)).rejects.toMatchObject({ type: 'KubernetesApi' });
  });
});

describe('src/kubernetes/drain/workloads (simulated)', () => {
  const workloads = [
    { namespace: 'shop', kind: 'Deployment', name: 'web' },
    { namespace: 'shop', kind: 'Deployment', name: 'gone' },
  ];
  const awaitWorkloads = (timeoutMs: number, evicted: EvictedWorkload[] = workloads) =>
    kube.run(kube.activities.awaitWorkloads, { target: TARGET, workloads: evicted, timeoutMs });

  it('waits until each workload has its desired pods, without deleted workloads', async () => {
    kube.api.deployments.push({ namespace: 'shop', name: 'web', image: 'web', replicas: 3, available: 2 });
    await expect(awaitWorkloads(0)).rejects.toMatchObject(missing('Deployment shop/web (2 of 3)'));
    const available = awaitWorkloads(10_000);
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('shop/web (2 of 3)') === true, 'it is told');
    const [web] = kube.api.deployments;
    if (web !== undefined) web.available = 3;
    await available;
  });

  it('waits for no more pods than were available before the drain or are desired now', async () => {
    kube.api.deployments.push({ namespace: 'shop', name: 'web', image: 'web', replicas: 3, available: 1 });
    const web = { namespace: 'shop', kind: 'Deployment', name: 'web' };
    await expect(awaitWorkloads(0, [{ ...web, availableBefore: 2 }])).rejects.toMatchObject(
      missing('Deployment shop/web (1 of 2)'),
    );
    await awaitWorkloads(0, [{ ...web, availableBefore: 1 }]);
    const [deployment] = kube.api.deployments;
    if (deployment !== undefined) deployment.replicas = 1;
    await awaitWorkloads(0, [{ ...web, availableBefore: 2 }]);
  });
});
