import type { Harness } from '../harness';
import { CORDON, drainInput, previewInput, setUp } from '../harness';

const OWNER = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'ospatch-worker', uid: 'rs-ospatch' };

let kube: Harness;

beforeEach(async () => {
  kube = await setUp({ podUid: 'uid-own' });
  kube.api.node('w-1');
  kube.api.replicaSets.set('ospatch-worker', 'ospatch-worker');
  kube.api.pod('ospatch', 'worker-a', { uid: 'uid-own', owner: OWNER, labels: {} });
  kube.api.pod('shop', 'web-1');
});
afterEach(() => kube.stop());

async function drain() {
  await kube.run(kube.activities.cordon, CORDON);
  return kube.run(kube.activities.drain, drainInput());
}

describe('src/kubernetes/drain/own-worker (simulated)', () => {
  it('leaves the only worker on the node, and says so beforehand', async () => {
    const preview = await kube.run(kube.activities.drainPreview, previewInput());
    expect(preview).toMatchObject({
      evict: 1,
      pods: [{ namespace: 'shop', name: 'web-1' }],
      ignored: { 'the only worker there is': 1 },
      worker: { name: 'worker-a', fate: 'stays', warning: { kind: 'only-worker' } },
    });
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 1 });
    expect(kube.api.names()).toEqual(['ospatch/worker-a']);
  });

  it('evicts the worker while another one is ready on another node', async () => {
    kube.api.pod('ospatch', 'worker-b', { nodeName: 'w-2', owner: OWNER, labels: {} });
    const preview = await kube.run(kube.activities.drainPreview, previewInput());
    expect(preview).toMatchObject({ evict: 2, worker: { name: 'worker-a', fate: 'moves', warning: null } });
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 2 });
    expect(kube.api.names()).toEqual(['ospatch/worker-b']);
  });

  it('is not stopped by a budget of the only worker, nor by its temporary files', async () => {
    kube.api.budgets.push({ namespace: 'ospatch', name: 'worker', labels: {}, minAvailable: 1 });
    kube.api.pod('ospatch', 'worker-a', { uid: 'uid-own', owner: OWNER, labels: {}, emptyDir: true });
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 1 });
  });

  it('says nothing on other nodes', async () => {
    kube.api.node('w-2');
    const { target } = previewInput();
    const other = { ...previewInput(), machine: null, target: { ...target, node: 'w-2', nodeName: 'w-2' } };
    expect(await kube.run(kube.activities.drainPreview, other)).not.toHaveProperty('worker');
  });

  it('evicts pods whose emptyDir may be lost, as their owner has written on them', async () => {
    const key = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
    kube.api.pod('shop', 'web-2', { emptyDir: true, annotations: { [key]: 'other, scratch' } });
    expect((await kube.run(kube.activities.drainPreview, previewInput())).blockers).toEqual([]);
    kube.api.pod('shop', 'web-2', { emptyDir: true, annotations: { [key]: 'other' } });
    expect((await kube.run(kube.activities.drainPreview, previewInput())).blockers).toEqual([
      expect.stringContaining('with local storage (emptyDir)') as string,
    ]);
  });
});
