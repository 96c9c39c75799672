import { BASELINE_ANNOTATION } from '../../../src/domain/kubernetes/cordon';
import { CORDON_ANNOTATION } from '../../../src/domain/kubernetes/types';
import { cordonNode } from '../../../src/kubernetes/drain/cordon';
import { createConnections } from '../../../src/kubernetes/client/connections';
import { createSession } from '../../../src/kubernetes/session';
import { waitFor as waitForCondition } from '../../support/wait-for';
import type { FakeNode } from '../fake-api';
import { failure } from '../fake-api';
import type { Harness } from '../harness';
import { CORDON, MACHINE, OWNER, TARGET, setUp } from '../harness';

const VALUE = 'demo/w-1/7/0123456789abcdef';

let kube: Harness;
let node: FakeNode;

beforeEach(async () => {
  kube = await setUp();
  node = kube.api.node('w-1');
});
afterEach(() => kube.stop());

const waitFor = (condition: () => boolean, what: string) => waitForCondition(condition, { what, pollMs: 20 });
const cordon = () => kube.run(kube.activities.cordon, CORDON);
const uncordon = (owner: typeof OWNER | 'any' = OWNER) => kube.run(kube.activities.uncordon, { target: TARGET, owner });

describe('src/kubernetes/drain/cordon (simulated)', () => {
  it('sets cordon, owner and baseline in one request, and removes all three', async () => {
    node.conditions['DiskPressure'] = 'True';
    kube.api.daemonSetPod('kube-system', 'proxy', { ready: false });
    kube.api.daemonSetPod('kube-system', 'cni');
    expect(await cordon()).toEqual({
      ready: true,
      pressure: ['DiskPressure'],
      daemonsetsNotReady: ['kube-system/proxy'],
    });
    expect(node).toMatchObject({
      unschedulable: true,
      manager: 'ospatch',
      annotations: { [CORDON_ANNOTATION]: VALUE },
    });
    expect(kube.api.countCalls(/^PATCH .*fieldManager=ospatch/)).toBe(1);
    expect(await uncordon()).toBe(true);
    expect([node.unschedulable, node.annotations]).toEqual([false, {}]);
    expect(await uncordon()).toBe(false);
  });

  it('returns the baseline of the first call on repetition, whatever the present state of the node', async () => {
    const baseline = await cordon();
    node.conditions['Ready'] = 'False';
    kube.api.daemonSetPod('kube-system', 'proxy', { ready: false });
    expect(await cordon()).toEqual(baseline);
    expect(kube.api.countCalls(/^PATCH/)).toBe(1);
  });

  it('retries when the node changes between read and write', async () => {
    let changed = false;
    kube.api.intercept = (method) => {
      if (method === 'PATCH' && !changed) {
        changed = true;
        node.resourceVersion += 1;
      }
      return undefined;
    };
    await cordon();
    expect(kube.api.countCalls(/^PATCH/)).toBe(2);
    expect(node.annotations[CORDON_ANNOTATION]).toBe(VALUE);
  });

  it('leaves a foreign cordon alone, before and after', async () => {
    kube.api.setUnschedulable(node, true, 'kubectl-cordon');
    await cordon();
    expect([node.unschedulable, node.annotations]).toEqual([true, {}]);
    expect(await uncordon()).toBe(false);
    expect(await uncordon('any')).toBe(false);
    expect(node).toMatchObject({ unschedulable: true, manager: 'kubectl-cordon' });
  });

  it('leaves a node cordoned that somebody uncordoned and cordoned again, without the ospatch annotations', async () => {
    await cordon();
    kube.api.setUnschedulable(node, false, 'kubectl');
    kube.api.setUnschedulable(node, true, 'kubectl-cordon');
    expect(await uncordon()).toBe(false);
    expect([node.unschedulable, node.annotations]).toEqual([true, {}]);
  });

  it('leaves a node cordoned whose owner annotation was removed, without the other annotation', async () => {
    await cordon();
    delete node.annotations[CORDON_ANNOTATION];
    expect(await uncordon('any')).toBe(false);
    expect([node.unschedulable, node.annotations]).toEqual([true, {}]);
  });

  it('removes only the annotations from a node that somebody has uncordoned', async () => {
    await cordon();
    kube.api.setUnschedulable(node, false, 'kubectl');
    expect(await uncordon()).toBe(false);
    expect([node.unschedulable, node.annotations]).toEqual([false, {}]);
  });

  it('adopts the cordon of an earlier run on the same node, which only the adopting run removes', async () => {
    kube.api.setUnschedulable(node, true, 'ospatch');
    node.annotations = { [CORDON_ANNOTATION]: 'demo/w-1/3/ffffffffffffffff', [BASELINE_ANNOTATION]: 'odd' };
    expect(await uncordon()).toBe(false);
    expect(await cordon()).toEqual({ ready: true, pressure: [], daemonsetsNotReady: [] });
    expect(node.annotations[CORDON_ANNOTATION]).toBe(VALUE);
    expect(await uncordon({ ...OWNER, run: 3 })).toBe(false);
    expect(await uncordon('any')).toBe(true);
  });

  it('rejects a node that ospatch has cordoned for another cluster, naming that cluster', async () => {
    kube.api.setUnschedulable(node, true, 'ospatch');
    node.annotations = { [CORDON_ANNOTATION]: 'prod/w-1/3/ffffffffffffffff' };
    await expect(cordon()).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('for node w-1 of cluster prod (run 3') as string,
    });
    expect(await uncordon('any')).toBe(false);
    expect(node.unschedulable).toBe(true);
  });

  it('names the machine of a mismatched Node object, and changes nothing', async () => {
    node.machineID = 'another';
    await expect(cordon()).rejects.toMatchObject({
      type: 'WrongNode',
      message:
        'w-1 was not touched in Kubernetes: the Node object w-1 is of another machine: its machine id is another, that of w-1 is machine-w-1',
    });
    node.machineID = 'MACHINE-W-1';
    node.bootID = '';
    await expect(cordon()).rejects.toMatchObject({
      type: 'WrongNode',
      message: expect.stringContaining('no boot id') as string,
    });
    node.bootID = 'BOOT-W-1';
    await cordon();
    kube.api.nodes.clear();
    await expect(cordon()).rejects.toMatchObject({
      type: 'WrongNode',
      message: expect.stringContaining('no node w-1') as string,
    });
    expect(await uncordon()).toBe(false);
  });

  it('waits until the remaining etcd members would be a majority', async () => {
    node.labels = { 'node-role.kubernetes.io/control-plane': '' };
    for (const name of ['w-1', 'cp-2', 'cp-3']) {
      if (name !== 'w-1') kube.api.node(name, { labels: node.labels });
      const member = { nodeName: name, owner: null, annotations: { 'kubernetes.io/config.mirror': 'x' } };
      kube.api.pod('kube-system', `etcd-${name}`, { ...member, labels: { component: 'etcd' } });
      kube.api.pod('kube-system', `api-${name}`, { ...member, labels: { component: 'kube-apiserver' } });
    }
    const down = kube.api.pods.get('kube-system/etcd-cp-3');
    if (down !== undefined) down.ready = false;
    const cordoned = cordon();
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('etcd') === true, 'etcd is waited for');
    expect(kube.heartbeats.at(-1)?.waitingFor).toBe(
      'the control plane: etcd needs 2 of its 2 other members, and only 1 are available (cp-3 is not ready)',
    );
    expect(node.unschedulable).toBe(false);
    if (down !== undefined) down.ready = true;
    await cordoned;
    expect(node.unschedulable).toBe(true);
  });

  it('counts a control-plane node without an etcd pod as a member that is down', async () => {
    for (const name of ['w-1', 'cp-2', 'cp-3']) {
      const one = name === 'w-1' ? node : kube.api.node(name);
      one.labels = { 'node-role.kubernetes.io/control-plane': '' };
      const member = { nodeName: name, owner: null, labels: { component: 'etcd' } };
      if (name !== 'cp-3') kube.api.pod('kube-system', `etcd-${name}`, member);
    }
    const cordoned = cordon();
    const told = 'only 1 are available (cp-3 is without a pod of etcd)';
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes(told) === true, 'the missing member');
    kube.api.pod('kube-system', 'etcd-cp-3', { nodeName: 'cp-3', owner: null, labels: { component: 'etcd' } });
    await cordoned;
  });

  it.each([
    ['members that are down', 'etcd', false],
    ['an API server that runs', 'kube-apiserver', true],
  ])('believes no worker that reports %s', async (_, component, ready) => {
    const labels = { 'node-role.kubernetes.io/control-plane': '' };
    const pod = (name: string, part: string, more: object = {}) =>
      kube.api.pod('kube-system', `${part}-${name}`, {
        nodeName: name,
        owner: null,
        labels: { component: part },
        ...more,
      });
    for (const name of ['w-1', 'cp-2', 'cp-3']) {
      if (name === 'w-1') kube.api.nodes.delete(name);
      kube.api.node(name, { labels });
      pod(name, 'etcd');
      pod(name, 'kube-apiserver', { ready: component === 'etcd' || name === 'w-1' });
    }
    // A kubelet makes mirror pods of its own node with any label.
    for (const name of ['evil-1', 'evil-2', 'evil-3']) {
      kube.api.node(name);
      pod(name, component, { ready });
    }
    const cordoned = kube.run(kube.activities.cordon, CORDON);
    if (component === 'etcd') {
      await cordoned;
      return;
    }
    await waitFor(
      () => kube.heartbeats.at(-1)?.waitingFor?.includes('no other API server is available') === true,
      'the API servers',
    );
    for (const name of ['cp-2', 'cp-3']) {
      const down = kube.api.pods.get(`kube-system/kube-apiserver-${name}`);
      if (down !== undefined) down.ready = true;
    }
    await cordoned;
  });

  it('does not count a k3s node whose etcd is no healthy voter, however ready the node', async () => {
    const roles = { 'node-role.kubernetes.io/control-plane': 'true', 'node-role.kubernetes.io/etcd': 'true' };
    node.labels = roles;
    const learner = kube.api.node('cp-2', { labels: roles, conditions: { Ready: 'True', EtcdIsVoter: 'False' } });
    kube.api.node('cp-3', { labels: roles, conditions: { Ready: 'True', EtcdIsVoter: 'True' } });
    const cordoned = cordon();
    const told = 'only 1 are available (cp-2 is no voting member of etcd: EtcdIsVoter is False)';
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes(told) === true, 'the learner');
    learner.conditions['EtcdIsVoter'] = 'True';
    await cordoned;
  });

  it('holds back control-plane nodes while the API server reports an unhealthy etcd, but no other nodes', async () => {
    kube.api.failingChecks = ['etcd', 'etcd-readiness'];
    await cordon();
    await uncordon();
    node.labels = { 'node-role.kubernetes.io/control-plane': '' };
    const cordoned = cordon();
    const told = 'the control plane: the API server reports that it is not ready (etcd, etcd-readiness)';
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor === told, 'the failing check');
    kube.api.failingChecks = [];
    await cordoned;
  });

  it('skips the health of the API server without permission to read it', async () => {
    node.labels = { 'node-role.kubernetes.io/control-plane': '' };
    kube.api.intercept = (_, path) => (path === '/readyz' ? failure(403, 'Forbidden', 'forbidden') : undefined);
    await cordon();
    expect(node.unschedulable).toBe(true);
  });

  it('fails with the missing quorum when the control plane stays unhealthy', async () => {
    kube.api.pod('kube-system', 'etcd-w-1', { owner: null, labels: { component: 'etcd' } });
    kube.api.pod('kube-system', 'etcd-cp-2', {
      owner: null,
      labels: { component: 'etcd' },
      nodeName: 'cp-2',
      ready: false,
    });
    const connections = createConnections({ kubeconfigDir: kube.api.directory });
    const { signal } = new AbortController();
    const session = createSession({
      api: connections.api(TARGET.access, signal),
      target: TARGET,
      retryPolicy: { limitMs: 1_000, transient: ['unavailable'] },
      signal,
      now: Date.now,
      show: () => undefined,
    });
    await expect(cordonNode(session, { machine: MACHINE, owner: OWNER, quorumTimeoutMs: 0 })).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('etcd needs 1 of its 1 other members') as string,
    });
    await connections.close();
  });

  it('backs off when another member was cordoned at the same moment', async () => {
    const other = kube.api.node('cp-2');
    for (const name of ['w-1', 'cp-2']) {
      kube.api.pod('kube-system', `etcd-${name}`, { owner: null, labels: { component: 'etcd' }, nodeName: name });
    }
    const states: boolean[] = [];
    kube.api.intercept = (method) => {
      if (method === 'PATCH') {
        states.push(node.unschedulable);
        if (states.length === 1) {
          kube.api.setUnschedulable(other, true, 'ospatch');
          other.annotations = { [CORDON_ANNOTATION]: 'demo/cp-2/7/ffffffffffffffff' };
        } else kube.api.setUnschedulable(other, false, 'ospatch');
      }
      return undefined;
    };
    await cordon();
    expect(states).toEqual([false, true, false]);
    expect(node).toMatchObject({ unschedulable: true, annotations: { [CORDON_ANNOTATION]: VALUE } });
  });

  it('retries the uncordon until the server is back, also across a token renewal', async () => {
    await cordon();
    await kube.api.goAway();
    const uncordoned = uncordon();
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('unreachable') === true, 'the outage is told');
    kube.api.token = 'new-token';
    kube.api.writeKubeconfig('old-token');
    await kube.api.start().then(() => kube.api.writeKubeconfig('old-token'));
    await waitFor(() => kube.heartbeats.at(-1)?.waitingFor?.includes('(401)') === true, 'the token is told');
    kube.api.writeKubeconfig('new-token');
    expect(await uncordoned).toBe(true);
    expect(JSON.stringify(kube.heartbeats)).not.toMatch(/(?:old|new|right)-token/);
    expect(node.unschedulable).toBe(false);
  });

  it('reports a removed cordon also when the response was lost', async () => {
    await cordon();
    let isFirst = true;
    kube.api.intercept = (method) => {
      if (method !== 'PATCH' || !isFirst) return undefined;
      isFirst = false;
      kube.api.setUnschedulable(node, false, 'ospatch');
      node.annotations = {};
      return 'reset';
    };
    expect(await uncordon()).toBe(true);
  });

  it('fails when the permission to change nodes stays missing', async () => {
    await cordon();
    kube.api.intercept = (method) =>
      method === 'PATCH'
        ? {
            code: 403,
            body: {
              kind: 'Status',
              reason: 'Forbidden',
              message:
                'nodes "w-1" is forbidden: User "x" cannot patch resource "nodes" in API group "" at the cluster scope',
              code: 403,
            },
          }
        : undefined;
    await expect(uncordon()).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringContaining('cannot patch resource "nodes"') as string,
    });
  });

  it('waits for a freshly started server that does not know permissions yet', async () => {
    await cordon();
    let refusals = 0;
    kube.api.intercept = (method) =>
      method === 'PATCH' && (refusals += 1) < 2
        ? failure(403, 'Forbidden', 'nodes "w-1" is forbidden: User "x" cannot patch resource "nodes"')
        : undefined;
    expect(await uncordon()).toBe(true);
  });

  it('lists the stale cordons on the nodes of a cluster', async () => {
    await cordon();
    kube.api.node('w-2', { unschedulable: true, manager: 'kubectl' });
    kube.api.node('w-3', {
      unschedulable: true,
      manager: 'ospatch',
      annotations: { [CORDON_ANNOTATION]: 'prod/x/1/0123456789abcdef' },
    });
    expect(await kube.run(kube.activities.findStaleCordons, { cluster: 'demo', access: TARGET.access })).toEqual([
      { nodeName: 'w-1', owner: OWNER },
    ]);
  });
});
