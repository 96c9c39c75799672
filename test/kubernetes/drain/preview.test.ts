import { execFileSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CORDON_ANNOTATION } from '../../../src/domain/kubernetes/types';
import type { Harness } from '../harness';
import { TARGET, previewInput, setUp } from '../harness';

let kube: Harness;

beforeEach(async () => {
  kube = await setUp();
  kube.api.node('w-1');
});
afterEach(() => kube.stop());

const CLOSED =
  'a drain would wait for the budget web of namespace shop, which allows no eviction now and opens only when an operator or a person changes something';

const preview = (...args: Parameters<typeof previewInput>) =>
  kube.run(kube.activities.drainPreview, previewInput(...args));

describe('src/kubernetes/drain/preview (simulated)', () => {
  it('lists pods to evict, to ignore and to wait for, and changes nothing', async () => {
    kube.api.daemonSets.push({ namespace: 'kube-system', name: 'proxy', image: 'proxy', replicas: 1 });
    kube.api.daemonSetPod('kube-system', 'proxy');
    kube.api.replicaSets.set('shop-rs', 'shop');
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2', ready: false });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, minAvailable: 1 });
    kube.api.pod('jobs', 'going', { endsAfterMs: null, deletionTimestamp: '2026-01-01T00:00:00Z' });
    expect(await preview()).toEqual({
      nodeName: 'w-1',
      cordonedBy: 'nobody',
      owner: null,
      evict: 2,
      workloads: [
        { namespace: 'shop', kind: 'Deployment', name: 'shop' },
        { namespace: 'jobs', kind: 'ReplicaSet', name: 'jobs-rs' },
      ],
      pods: [
        { namespace: 'shop', name: 'web-1' },
        { namespace: 'jobs', name: 'going' },
      ],
      ignored: { 'managed by a DaemonSet': 1 },
      blockers: [],
      pending: [
        'a drain would wait for the budget web of namespace shop, which allows no eviction now (1 pods are healthy and 1 must be): shop/web-1',
        'a drain would wait for pods that are terminating: jobs/going',
      ],
    });
    expect(kube.api.countCalls(/^(?!GET)/)).toBe(0);
  });

  it("reports the end of life of the node's Kubernetes version", async () => {
    kube.api.node('w-1', { kubeletVersion: 'v1.19.16' });
    expect((await preview()).ended?.message).toContain(
      'its kubelet is v1.19.16: Kubernetes 1.19 reached its end of life',
    );
  });

  it.each([
    [{ maxUnavailable: 0 }, 'its maxUnavailable is 0'],
    [{ maxUnavailable: '0%' }, 'its maxUnavailable is 0'],
    [{ minAvailable: '100%' }, 'its minAvailable is 100%'],
    [{ minAvailable: 2 }, 'it needs 2 healthy pods and selects no more than 2'],
    [
      { maxUnavailable: 1, failure: 'found no controllers for pod "web-1"' },
      'it cannot be computed (found no controllers',
    ],
    [{ maxUnavailable: 1, failure: 'no scale', stale: true }, 'it cannot be computed (no scale)'],
  ])('warns of the budget %j that opens only by a change, unless evictions are disabled', async (budget, why) => {
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2' });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, ...budget });
    const { blockers, pending } = await preview();
    expect([blockers, pending]).toEqual([[], [expect.stringContaining(`${CLOSED} (${why}`)]]);
    expect((await preview({ disableEviction: true })).pending).toEqual([]);
  });

  it('waits for a budget with an absolute number while desired pods are missing', async () => {
    kube.api.replicaSets.set('shop-rs', 'shop');
    const shop = { namespace: 'shop', name: 'shop', image: 'web', replicas: 3 };
    kube.api.deployments.push(shop);
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2' });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, minAvailable: 2 });
    const { blockers, pending } = await preview();
    expect([blockers, pending]).toEqual([[], [expect.stringContaining('the budget web of namespace shop')]]);
    shop.replicas = 2;
    expect((await preview()).pending).toEqual([
      expect.stringContaining('(it needs 2 healthy pods and selects no more than 2)'),
    ]);
  });

  it('excludes finished pods from an absolute budget, and includes selected pods of other owners', async () => {
    kube.api.replicaSets.set('shop-rs', 'shop');
    kube.api.deployments.push({ namespace: 'shop', name: 'shop', image: 'web', replicas: 1 });
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'ended', { nodeName: 'w-2', phase: 'Failed', ready: false });
    kube.api.pod('shop', 'sick', { nodeName: 'w-2', owner: null, ready: false });
    const budget = { namespace: 'shop', name: 'web', labels: { app: 'shop' }, minAvailable: 2 };
    kube.api.budgets.push(budget);
    expect((await preview()).pending).toEqual([expect.stringContaining('selects no more than 2')]);
    budget.minAvailable = 1;
    expect((await preview()).pending).toEqual([expect.not.stringContaining('selects')]);
  });

  it('knows that a budget for one pod of a workload depends on that pod alone', async () => {
    kube.api.replicaSets.set('shop-rs', 'shop');
    kube.api.deployments.push({ namespace: 'shop', name: 'shop', image: 'web', replicas: 3 });
    kube.api.pod('shop', 'web-1', { labels: { app: 'shop', pod: 'web-1' } });
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2' });
    kube.api.budgets.push({ namespace: 'shop', name: 'one', labels: { pod: 'web-1' }, minAvailable: 1 });
    expect((await preview()).pending).toEqual([
      expect.stringContaining('(it needs 1 healthy pod and selects no more than 1)'),
    ]);
  });

  it('lists budgets first that do not open by themselves', async () => {
    kube.api.pod('jobs', 'going', { endsAfterMs: null, deletionTimestamp: '2026-01-01T00:00:00Z' });
    kube.api.pod('shop', 'web-1');
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, maxUnavailable: 0 });
    expect((await preview()).pending).toEqual([
      expect.stringContaining('its maxUnavailable is 0'),
      expect.stringContaining('pods that are terminating'),
    ]);
  });

  it('finds a pod selected by two budgets, which the server rejects', async () => {
    kube.api.pod('shop', 'web-1');
    for (const name of ['a', 'b']) {
      kube.api.budgets.push({ namespace: 'shop', name, labels: { app: 'shop' }, maxUnavailable: 1 });
    }
    expect((await preview()).blockers).toEqual([expect.stringContaining('two budgets select, here a and b of')]);
  });

  it('warns of a budget that cannot count its pods because they have no controller', async () => {
    kube.api.pod('shop', 'bare', { owner: null });
    kube.api.budgets.push({
      namespace: 'shop',
      name: 'web',
      labels: { app: 'shop' },
      maxUnavailable: 1,
      expectedPods: 0,
    });
    expect((await preview({ force: true })).pending).toEqual([
      `${CLOSED} (pods without a controller cannot be counted): shop/bare`,
    ]);
  });

  it('knows that budgets ignore finished and pending pods, and unready pods by policy', async () => {
    kube.api.pod('shop', 'ended', { phase: 'Succeeded', ready: false });
    kube.api.pod('shop', 'pending', { phase: 'Pending', ready: false });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, maxUnavailable: 0 });
    kube.api.pod('other', 'unready', { ready: false });
    kube.api.budgets.push({
      namespace: 'other',
      name: 'always',
      labels: { app: 'other' },
      maxUnavailable: 0,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    });
    expect(await preview()).toMatchObject({ evict: 3, blockers: [], pending: [] });
  });

  it('reports who has cordoned the node', async () => {
    const node = kube.api.node('w-1', { unschedulable: true, manager: 'kubectl' });
    expect(await preview()).toMatchObject({ cordonedBy: 'others', owner: null, blockers: [] });
    node.manager = 'ospatch';
    node.annotations = { [CORDON_ANNOTATION]: 'demo/w-1/3/ffffffffffffffff' };
    expect(await preview()).toMatchObject({ cordonedBy: 'ospatch', owner: { run: 3 } });
    node.annotations = { [CORDON_ANNOTATION]: 'prod/db-1/3/ffffffffffffffff' };
    const { cordonedBy, blockers } = await preview();
    expect(cordonedBy).toBe('others');
    expect(blockers[0]).toContain('cluster prod');
  });

  it.each([
    ['kured by name', 'daemonSets', { namespace: 'kube-system', name: 'kured', image: 'mirror/x', replicas: 3 }],
    [
      'kured by image',
      'daemonSets',
      { namespace: 'kured', name: 'reboots', image: 'ghcr.io/kubereboot/kured:1.17', replicas: 3 },
    ],
    [
      'system-upgrade-controller',
      'deployments',
      { namespace: 'system-upgrade', name: 'suc', image: 'rancher/system-upgrade-controller:v0.14', replicas: 1 },
    ],
  ] as const)('refuses a cluster with %s, but not when it is scaled to nothing', async (_, kind, controller) => {
    kube.api[kind].push({ ...controller });
    await expect(preview()).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining(`${controller.namespace}/${controller.name}`) as string,
    });
    kube.api[kind][0] = { ...controller, replicas: 0 };
    expect(await preview()).toMatchObject({ blockers: [] });
  });

  describe('with a kured outside of the trusted namespaces', () => {
    const owners = (more: object = {}) => ({ ...previewInput(), owners: more });

    beforeEach(() => {
      kube.api.daemonSets.push({
        namespace: 'shop',
        name: 'kured',
        image: 'busybox',
        replicas: 3,
        serviceAccount: 'web',
      });
    });

    it('refuses nothing, and warns, when its service account may not change nodes', async () => {
      const { otherOwners } = await preview();
      expect(otherOwners).toEqual([
        {
          kind: 'other-updaters',
          message:
            'kured (DaemonSet shop/kured) looks like another reboot owner outside of kubernetes.trustedNamespaces; its service account web may not change nodes, so it is none',
          remedy: 'add shop to kubernetes.trustedNamespaces if it reboots nodes',
        },
      ]);
    });

    it('refuses when its service account may change nodes', async () => {
      kube.api.nodePatchers.add('system:serviceaccount:shop:web');
      await expect(preview()).rejects.toMatchObject({ type: 'Policy', message: expect.stringContaining('shop/kured') });
    });

    it('warns when ospatch may not ask', async () => {
      kube.api.intercept = (_, path) =>
        path.endsWith('/subjectaccessreviews')
          ? { code: 403, body: { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' } }
          : undefined;
      const [warning] = (await preview()).otherOwners ?? [];
      expect(warning?.message).toContain('whether its service account web may change nodes is not known');
      expect(warning?.remedy).toContain('ospatch rbac');
    });

    it('refuses when the spec trusts its namespace, and warns with the reason when the spec ignores it', async () => {
      const input = owners({ trustedNamespaces: ['shop'] });
      await expect(kube.run(kube.activities.drainPreview, input)).rejects.toMatchObject({ type: 'Policy' });
      const ignored = [{ name: 'kured', reason: 'holds its lock only on Mondays' }];
      const { otherOwners } = await kube.run(
        kube.activities.drainPreview,
        owners({ trustedNamespaces: ['shop'], ignored }),
      );
      expect(otherOwners).toMatchObject([
        { message: expect.stringContaining('ignores it: holds its lock only on Mondays'), remedy: null },
      ]);
    });
  });

  it('reads more pods than fit on one page', async () => {
    for (let number = 0; number < 1_100; number += 1) kube.api.pod('shop', `web-${number}`);
    const { evict, pods } = await preview();
    expect([evict, pods.length, kube.api.countCalls(/GET \/api\/v1\/pods\?/)]).toEqual([1_100, 100, 3]);
  });

  it('fails on a server that hangs after the time limit, counting observed time only', async () => {
    await kube.stop();
    kube = await setUp({ callTimeoutMs: 700 });
    kube.api.intercept = () => 'hang';
    const startedAt = Date.now();
    const input = { ...previewInput(), unreachableTimeoutMs: 2_000 };
    await expect(kube.run(kube.activities.drainPreview, input)).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringMatching(
        /^w-1: could not read node w-1: the API server of kubeconfig config did not answer in time; tried for \d+ s$/,
      ) as string,
    });
    expect(Date.now() - startedAt).toBeGreaterThan(1_900);
    expect(kube.heartbeats.some(({ waitingFor }) => waitingFor?.includes('did not answer in time'))).toBe(true);
  });

  it('fails at once on bad credentials or a bad kubeconfig, without exposing their content', async () => {
    const fails = async (access: typeof TARGET.access) => {
      const input = { ...previewInput(), target: { ...TARGET, access } };
      const error: unknown = await kube.run(kube.activities.drainPreview, input).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ type: 'KubernetesApi', nonRetryable: true });
      expect(JSON.stringify(error)).not.toContain('stale-token');
      return (error as Error).message;
    };
    expect(await fails({ kubeconfig: 'missing' })).toContain('there is no file');
    expect(await fails({ kubeconfig: '../config' })).toContain('not a bare file name');
    const at = (name: string): string => join(kube.api.directory, name);
    copyFileSync(at('config'), at('_prod+1@eu'));
    expect(await fails({ kubeconfig: '_prod+1@eu', context: 'other' })).toContain('has no context other');
    execFileSync('mkfifo', [at('pipe')]);
    expect(await fails({ kubeconfig: 'pipe' })).toMatch(/pipe is not a file$/);
    writeFileSync(at('large'), Buffer.alloc(1024 * 1024 + 1), { mode: 0o600 });
    expect(await fails({ kubeconfig: 'large' })).toMatch(/large has 2 MiB and at most 1 is read$/);
    writeFileSync(at('other'), 'a: secret', { mode: 0o600 });
    expect(await fails({ kubeconfig: 'other' })).toMatch(/other is not a kubeconfig with contexts$/);
    expect(await fails({ kubeconfig: 'config', context: 'other' })).toContain('has no context other (it has lab)');
    expect(await fails({ kubeconfig: 'in-cluster' })).toContain('does not run inside');
    Object.assign(process.env, { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' });
    expect(await fails({ kubeconfig: 'in-cluster' })).toMatch(
      /the pod of the worker has none \(no ca\.crt in \/var\/run/,
    );
    delete process.env['KUBERNETES_SERVICE_HOST'];
    delete process.env['KUBERNETES_SERVICE_PORT'];
    kube.api.writeKubeconfig('stale-token');
    expect(await fails({ kubeconfig: 'config', context: 'lab' })).toBe(
      'could not read node w-1: the API server does not accept the credentials of kubeconfig config, context lab (401)',
    );
  });
});
