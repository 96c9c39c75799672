import type { Harness } from '../harness';
import { drainInput, setUp } from '../harness';
import { waitFor as waitForCondition } from '../../support/wait-for';

let kube: Harness;

beforeEach(async () => {
  kube = await setUp();
  kube.api.node('w-1', { unschedulable: true, manager: 'ospatch' });
});
afterEach(() => kube.stop());

const waitFor = (condition: () => boolean, what: string) => waitForCondition(condition, { what, pollMs: 20 });

const drain = (policy: Parameters<typeof drainInput>[0] = {}) => kube.run(kube.activities.drain, drainInput(policy));

describe('src/kubernetes/drain/drain (simulated)', () => {
  it('evicts each pod once by uid, and names its Deployment with the ready count before', async () => {
    kube.api.replicaSets.set('shop-rs', 'shop');
    kube.api.deployments.push({ namespace: 'shop', name: 'shop', image: 'web', replicas: 4, available: 3 });
    const first = kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { endsAfterMs: 150 });
    kube.api.pod('other', 'elsewhere', { nodeName: 'w-2' });
    expect(await drain()).toEqual({
      state: 'drained',
      evicted: 2,
      workloads: [{ namespace: 'shop', kind: 'Deployment', name: 'shop', availableBefore: 3 }],
      blocked: [],
    });
    expect(kube.api.names()).toEqual(['other/elsewhere']);
    expect(kube.api.countCalls(/^POST .*eviction/)).toBe(2);
    expect(kube.api.bodies[0]).toEqual({
      metadata: { name: 'web-1', namespace: 'shop' },
      deleteOptions: { preconditions: { uid: first.uid } },
    });
    expect(kube.heartbeats.at(-1)).toMatchObject({ step: 'drain', done: 2, total: 2 });
  });

  it('ignores DaemonSet pods, static pods, and pods excluded by a selector or a rule', async () => {
    kube.api.daemonSets.push({ namespace: 'kube-system', name: 'proxy', image: 'proxy', replicas: 1 });
    kube.api.daemonSetPod('kube-system', 'proxy');
    kube.api.pod('kube-system', 'etcd-w-1', { owner: null, annotations: { 'kubernetes.io/config.mirror': 'x' } });
    kube.api.pod('shop', 'web-1', { labels: { tier: 'front' } });
    kube.api.pod('shop', 'db-1', { labels: { tier: 'db' } });
    kube.api.pod('shop', 'odd-1', { labels: { tier: 'odd' } });
    const rules = [{ podSelector: 'tier=db', action: 'skip' as const, order: 0 }];
    expect(await drain({ podSelector: 'tier!=odd', rules })).toMatchObject({ state: 'drained', evicted: 1 });
    expect(kube.api.names()).toEqual(['kube-system/etcd-w-1', 'kube-system/proxy-x', 'shop/db-1', 'shop/odd-1']);
  });

  it('reports all blocking pods in one sentence, and evicts nothing', async () => {
    kube.api.daemonSetPod('kube-system', 'orphan');
    kube.api.pod('shop', 'bare', { owner: null });
    kube.api.pod('shop', 'scratch', { emptyDir: true });
    kube.api.pod('shop', 'web-1', { labels: { app: 'web' } });
    kube.api.budgets.push(
      { namespace: 'shop', name: 'all', labels: { app: 'web' }, minAvailable: 0 },
      { namespace: 'shop', name: 'some', labels: { app: 'web' }, maxUnavailable: 0 },
    );
    await expect(drain()).rejects.toMatchObject({
      type: 'DrainBlocked',
      nonRetryable: true,
      message:
        'w-1 cannot be drained: a pod of a DaemonSet that no longer exists (kubernetes.drain.force allows it): kube-system/orphan-x; ' +
        'a pod not managed by a controller, so nothing would recreate it (kubernetes.drain.force allows it): shop/bare; ' +
        'a pod with local storage (emptyDir) (kubernetes.drain.deleteEmptydirData allows it): shop/scratch; ' +
        'the server evicts no pod that two budgets select, here all and some of namespace shop; delete all but one of them: shop/web-1',
    });
    expect(kube.api.countCalls(/^POST/)).toBe(0);
  });

  it('evicts the same pods when the policy allows that, and finished pods always', async () => {
    kube.api.daemonSetPod('kube-system', 'orphan');
    kube.api.pod('shop', 'bare', { owner: null });
    kube.api.pod('shop', 'scratch', { emptyDir: true });
    kube.api.pod('jobs', 'ended', { owner: null, emptyDir: true, phase: 'Succeeded', ready: false });
    await expect(drain()).rejects.toMatchObject({ type: 'DrainBlocked' });
    expect(await drain({ force: true, deleteEmptydirData: true })).toMatchObject({ state: 'drained', evicted: 4 });
  });

  it('waits for a budget, names the budget, and continues as soon as one disruption is allowed', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2', ready: false });
    kube.api.pod('shop', 'web-3', { nodeName: 'w-3' });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, minAvailable: 2 });
    const drained = drain();
    await waitFor(
      () => kube.heartbeats.some(({ waitingFor }) => waitingFor?.includes('2 of 2')),
      'the budget is named',
    );
    const why = 'the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)';
    const since = expect.stringMatching(/^20\d\d-.*Z$/) as string;
    expect(kube.heartbeats.at(-1)).toMatchObject({
      waitingFor: `shop/web-1: ${why}`,
      waitingSince: since,
      blocked: [{ namespace: 'shop', name: 'web-1', why, since }],
    });
    const asked = (): number => kube.api.countCalls(/^POST .*eviction/);
    const before = asked();
    await waitFor(() => asked() > before, 'another try');
    for (const { waitingFor } of kube.heartbeats) expect(waitingFor ?? 'web').not.toContain('a budget of');
    const pod = kube.api.pods.get('shop/web-2');
    if (pod !== undefined) pod.ready = true;
    const looks = (): number => kube.api.countCalls(/^GET \/api\/v1\/pods\?/);
    const looksBefore = looks();
    await waitFor(() => asked() > before + 1, 'the try after the release');
    // The drain polls every second, and would retry after five without the change of the budget.
    expect(looks() - looksBefore).toBeLessThan(5);
    expect(await drained).toMatchObject({ state: 'drained', evicted: 1 });
    expect(kube.api.countCalls(/^POST .*eviction/)).toBeLessThanOrEqual(4);
  });

  it('retries evictions that a closed budget rejects, and continues when an operator moves the pod to another budget', async () => {
    const primary = kube.api.pod('db', 'pg-0', { labels: { role: 'primary' } });
    kube.api.pod('db', 'pg-1', { nodeName: 'w-2', labels: { role: 'replica' } });
    kube.api.pod('shop', 'web-1');
    kube.api.budgets.push({ namespace: 'db', name: 'primary', labels: { role: 'primary' }, maxUnavailable: 0 });
    const drained = drain();
    const why = 'the budget primary of namespace db allows no disruption (its maxUnavailable is 0)';
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor === `db/pg-0: ${why}`, 'the budget is named');
    expect(kube.api.names()).toEqual(['db/pg-0', 'db/pg-1']);
    primary.labels = { role: 'replica' };
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
    expect(kube.api.names()).toEqual(['db/pg-1']);
  });

  it('retries every pod of a closed budget in turn, for operators that react to evictions', async () => {
    for (const name of ['kafka-0', 'kafka-1']) kube.api.pod('kafka', name);
    kube.api.budgets.push({ namespace: 'kafka', name: 'kafka', labels: { app: 'kafka' }, maxUnavailable: 0 });
    await drain({ timeout: '12s' });
    const asked = (name: string): number => kube.api.countCalls(new RegExp(`^POST .*${name}/eviction`));
    expect(asked('kafka-0')).toBeGreaterThanOrEqual(2);
    expect(asked('kafka-1')).toBeGreaterThanOrEqual(2);
  });

  it('evicts pods that arrive while others are pending', async () => {
    const stuck = kube.api.pod('shop', 'stuck', { endsAfterMs: null });
    kube.api.pod('shop', 'web-1');
    kube.api.onGone = ({ name }) => {
      if (name === 'web-1') kube.api.pod('shop', 'late-1');
      if (name === 'late-1') kube.api.remove(stuck);
    };
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 3 });
    expect(kube.heartbeats.at(-1)).toMatchObject({ done: 3, total: 3 });
  });

  it('evicts pods that a lagging scheduler keeps binding to the node', async () => {
    let times = 0;
    kube.api.pod('shop', 'web-0');
    kube.api.onGone = () => {
      times += 1;
      if (times <= 3) kube.api.pod('shop', `web-${times}`);
    };
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 4 });
    expect(kube.api.names()).toEqual([]);
  });

  it('ends as timed-out with the remaining pods, counted from the first start', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'web-2', { nodeName: 'w-2', ready: false });
    kube.api.pod('shop', 'web-3', { nodeName: 'w-3' });
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, minAvailable: 2 });
    kube.api.pod('shop', 'stuck', { labels: {}, endsAfterMs: null, finalizers: ['example.com/hold'] });
    const report = await drain({ timeout: '5s' });
    expect(report).toMatchObject({ state: 'timed-out', evicted: 0 });
    expect(report.blocked).toEqual([
      {
        namespace: 'shop',
        name: 'web-1',
        why: 'the budget web of namespace shop allows no disruption (2 of 2 needed are healthy)',
        since: expect.stringMatching(/^20/) as string,
      },
      {
        namespace: 'shop',
        name: 'stuck',
        why: 'it is terminating (finalizers example.com/hold)',
        since: expect.stringMatching(/^20/) as string,
      },
    ]);
    const input = { ...drainInput({ timeout: '20s' }), startedAt: new Date(Date.now() - 20_000).toISOString() };
    const begun = Date.now();
    expect(await kube.retry().run(kube.activities.drain, input)).toMatchObject({ state: 'timed-out' });
    expect(Date.now() - begun).toBeLessThan(15_000);
  });

  it('never evicts a pod that reuses the name of another', async () => {
    const old = kube.api.pod('shop', 'db-0');
    const replacements: string[] = [];
    kube.api.intercept = (method, path) => {
      if (method === 'POST' && path.includes('db-0') && replacements.length === 0) {
        kube.api.remove(old);
        replacements.push(kube.api.pod('shop', 'db-0', { nodeName: 'w-2' }).uid);
      }
      return undefined;
    };
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 1 });
    expect(kube.api.pods.get('shop/db-0')?.uid).toBe(replacements[0]);
    expect(kube.api.pods.get('shop/db-0')?.deletionTimestamp).toBeNull();
  });

  it('names both budgets of a pod selected by two, before any eviction', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.budgets.push(
      { namespace: 'shop', name: 'a', labels: { app: 'shop' }, minAvailable: 0 },
      { namespace: 'shop', name: 'b', labels: { app: 'shop' }, minAvailable: 0 },
    );
    await expect(drain()).rejects.toMatchObject({
      type: 'DrainBlocked',
      message: expect.stringContaining('a and b of namespace shop') as string,
    });
  });

  it('deletes instead of evicting when configured, against budgets, with grace period and uid', async () => {
    const pod = kube.api.pod('shop', 'web-1');
    kube.api.budgets.push({ namespace: 'shop', name: 'web', labels: { app: 'shop' }, maxUnavailable: 0 });
    expect(await drain({ disableEviction: true, gracePeriod: '1m30s' })).toMatchObject({
      state: 'drained',
      evicted: 1,
    });
    expect(kube.api.bodies).toEqual([{ preconditions: { uid: pod.uid }, gracePeriodSeconds: 90 }]);
  });

  it('waits for pods of a terminating namespace, whose eviction the server rejects', async () => {
    const pod = kube.api.pod('old', 'web-1');
    kube.api.terminatingNamespaces.add('old');
    const drained = drain();
    await waitFor(
      () => kube.heartbeats.some(({ waitingFor }) => waitingFor?.includes('namespace old is terminating')),
      'told',
    );
    kube.api.remove(pod);
    expect(await drained).toMatchObject({ state: 'drained' });
  });

  it('evicts pods of a lower order first, and lets pods with a wait rule finish', async () => {
    const job = kube.api.pod('jobs', 'import', { owner: null, emptyDir: true, labels: { app: 'import' } });
    kube.api.pod('shop', 'front', { labels: { tier: 'front' }, endsAfterMs: 300 });
    const db = kube.api.pod('shop', 'db', { labels: { tier: 'db' } });
    const rules = [
      { podSelector: 'app=import', action: 'wait-completed' as const, order: 0 },
      { podSelector: 'tier=db', action: 'evict' as const, order: 10 },
    ];
    const drained = drain({ rules });
    await waitFor(() => !kube.api.pods.has('shop/front'), 'the first has gone');
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('run to completion') === true, 'the job is named');
    expect(db.deletionTimestamp).toBeNull();
    expect(kube.api.pods.has('shop/db')).toBe(true);
    job.phase = 'Succeeded';
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
    expect(kube.api.names()).toEqual(['jobs/import']);
  });

  it('does not wait for pods that have been terminating for longer than the policy allows', async () => {
    kube.api.pod('shop', 'zombie', {
      endsAfterMs: null,
      deletionTimestamp: new Date(Date.now() - 60_000).toISOString(),
    });
    expect(await drain({ skipWaitForDeleteTimeout: '30s' })).toMatchObject({ state: 'drained', evicted: 0 });
    expect(await drain({ skipWaitForDeleteTimeout: '2m', timeout: '1s' })).toMatchObject({ state: 'timed-out' });
    expect(kube.api.countCalls(/^POST/)).toBe(0);
  });

  it('continues after an outage of the API server', async () => {
    kube.api.pod('shop', 'web-1', { endsAfterMs: null });
    kube.api.pod('shop', 'web-2', { endsAfterMs: null });
    const drained = drain();
    await waitFor(() => kube.api.countCalls(/^POST/) === 2, 'both are asked for');
    await kube.api.goAway();
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('unreachable') === true, 'the outage is told');
    kube.api.pods.clear();
    await kube.api.start();
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
  });

  it('honours Retry-After of a busy server, and does not report a budget', async () => {
    kube.api.pod('shop', 'web-1');
    const asked: number[] = [];
    kube.api.intercept = (method) =>
      method === 'POST' && asked.push(Date.now()) === 1
        ? {
            code: 429,
            body: {
              kind: 'Status',
              status: 'Failure',
              reason: 'TooManyRequests',
              message: 'Too many requests, please try again later',
              code: 429,
            },
            headers: { 'Retry-After': '2' },
          }
        : undefined;
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 1 });
    expect(asked).toHaveLength(2);
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBeGreaterThan(1_900);
  });

  it('fails with the missing permission', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.intercept = (method) =>
      method === 'POST'
        ? {
            code: 403,
            body: {
              kind: 'Status',
              status: 'Failure',
              reason: 'Forbidden',
              code: 403,
              message:
                'pods "web-1" is forbidden: User "ospatch" cannot create resource "pods/eviction" in API group "" in the namespace "shop"',
            },
          }
        : undefined;
    await expect(drain()).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringContaining('User "ospatch" cannot create resource "pods/eviction"') as string,
    });
  });

  it('stops when somebody uncordons the node', async () => {
    kube.api.pod('shop', 'web-1', { endsAfterMs: null });
    const drained = drain();
    await waitFor(() => kube.api.countCalls(/^POST/) === 1, 'it is asked for');
    const node = kube.api.nodes.get('w-1');
    if (node !== undefined) kube.api.setUnschedulable(node, false, 'kubectl');
    await expect(drained).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('uncordoned by somebody else') as string,
      details: [{ details: { evicted: 1 } }],
    });
  });

  it('evicts no pod that arrived because somebody has uncordoned the node', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.onGone = (pod) => {
      if (pod.name !== 'web-1') return;
      const node = kube.api.nodes.get('w-1');
      if (node !== undefined) kube.api.setUnschedulable(node, false, 'kubectl');
      kube.api.pod('shop', 'web-2');
    };
    await expect(drain()).rejects.toMatchObject({ type: 'Policy', details: [{ details: { evicted: 1 } }] });
    expect(kube.api.names()).toEqual(['shop/web-2']);
  });

  it('evicts nothing on a node that was uncordoned before the drain', async () => {
    kube.api.pod('shop', 'web-1');
    const node = kube.api.nodes.get('w-1');
    if (node !== undefined) kube.api.setUnschedulable(node, false, 'kubectl');
    await expect(drain()).rejects.toMatchObject({ type: 'Policy' });
    expect(kube.api.countCalls(/^POST/)).toBe(0);
  });

  it('ignores pods that tolerate the cordon in the second drain before a reboot', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.pod('shop', 'on-purpose', { tolerations: [{ operator: 'Exists' }] });
    const again = { ...drainInput(), again: true as const };
    expect(await kube.run(kube.activities.drain, again)).toMatchObject({ state: 'drained', evicted: 1 });
    expect(kube.api.names()).toEqual(['shop/on-purpose']);
  });

  it('evicts pods in a second round that were bound at the moment of the cordon, unless they tolerate the cordon', async () => {
    kube.api.pod('shop', 'web-1');
    kube.api.onGone = (pod) => {
      if (pod.name !== 'web-1') return;
      kube.api.pod('shop', 'late-1');
      kube.api.pod('shop', 'on-purpose', { tolerations: [{ operator: 'Exists' }] });
    };
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 2 });
    expect(kube.api.names()).toEqual(['shop/on-purpose']);
  });

  it('aborts no eviction in flight, neither on cancellation nor on worker shutdown', async () => {
    kube.api.pod('shop', 'web-1');
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    kube.api.before = (method) => (method === 'POST' ? held : undefined);
    const drained = drain().catch((error: unknown) => error);
    await waitFor(() => kube.api.countCalls(/^POST .*eviction/) === 1, 'the eviction');
    kube.environment.cancel();
    expect(await drained).toMatchObject({ name: 'CancelledFailure' });
    const closed = kube.connections.close();
    setTimeout(letGo, 200);
    await closed;
    await waitFor(() => kube.api.pods.get('shop/web-1')?.deletionTimestamp !== null, 'the pod to go');
    expect(kube.api.brokenOff).toEqual([]);
  });

  it('counts evictions of a killed worker that never sent its progress, from the state before the cordon', async () => {
    const workloads = [{ namespace: 'shop', kind: 'Deployment', name: 'shop' }];
    const input = { ...drainInput(), planned: { evict: 3, workloads } };
    kube.api.pod('late', 'web-3');
    expect(await kube.retryWithoutHeartbeat().run(kube.activities.drain, input)).toMatchObject({
      state: 'drained',
      evicted: 3,
      workloads: [...workloads, { namespace: 'late', kind: 'ReplicaSet', name: 'late-rs' }],
    });
  });

  it('counts pods that finished between preview and drain as evicted by nobody', async () => {
    kube.api.pod('shop', 'web-1');
    const input = { ...drainInput(), planned: { evict: 3, workloads: [] } };
    expect(await kube.run(kube.activities.drain, input)).toMatchObject({ state: 'drained', evicted: 1 });
  });

  it('resumes the counts of a killed worker, including what was available before', async () => {
    kube.api.replicaSets.set('shop-rs', 'shop');
    kube.api.replicaSets.set('late-rs', 'late');
    const late = { namespace: 'late', name: 'late', image: 'web', replicas: 2, available: 2 };
    kube.api.deployments.push(late);
    kube.api.pod('shop', 'web-1');
    kube.api.pod('late', 'web-2', { endsAfterMs: null });
    const input = drainInput();
    const first = kube.run(kube.activities.drain, input).catch((error: unknown) => error);
    await waitFor(() => kube.heartbeats.at(-1)?.done === 1 && !kube.api.pods.has('shop/web-1'), 'one has gone');
    kube.environment.cancel();
    await first;
    late.available = 1;
    const second = kube.retry().run(kube.activities.drain, input);
    await waitFor(
      () => kube.heartbeats.at(-1)?.waitingFor?.startsWith('late/web-2: it is terminating') === true,
      'the other is waited for',
    );
    kube.api.pods.clear();
    expect(await second).toMatchObject({
      state: 'drained',
      evicted: 2,
      workloads: [
        { namespace: 'shop', kind: 'Deployment', name: 'shop' },
        { namespace: 'late', kind: 'Deployment', name: 'late', availableBefore: 2 },
      ],
    });
    expect(kube.api.countCalls(/^POST .*eviction/)).toBe(2);
  });

  it('drains a node of 600 pods with few requests', async () => {
    for (let number = 0; number < 600; number += 1) kube.api.pod('shop', `web-${number}`, { endsAfterMs: 200 });
    expect(await drain()).toMatchObject({ state: 'drained', evicted: 600 });
    expect(kube.api.countCalls(/^POST .*eviction/)).toBe(600);
    expect(kube.api.countCalls(/^GET/)).toBeLessThan(60);
  });
});
