import { validateSpecObject } from '../../../src/domain/spec/parse';
import { notPatchableReason } from '../../../src/domain/cluster/messages';
import { issuesOf, KEY, specDocument, specOf } from './spec-document';

const NODE = { name: 'w-1', host: '10.0.0.12', hostKeys: [KEY] };

function withKubernetes(kubernetes: unknown, parts: Record<string, unknown> = {}): Record<string, unknown> {
  return specDocument({ kubernetes, ...parts });
}

describe('src/domain/spec/kubernetes-section', () => {
  it('fills in the defaults of kubectl drain, except that DaemonSets are ignored', () => {
    expect(specOf(withKubernetes({ kubeconfig: 'prod-eu' }))).toMatchObject({
      kubernetes: {
        kubeconfig: 'prod-eu',
        drain: {
          ignoreDaemonsets: true,
          deleteEmptydirData: false,
          force: false,
          timeout: '10m',
          disableEviction: false,
          onDrainTimeout: 'fail',
          rules: [],
        },
        health: { readyTimeout: '10m' },
      },
    });
  });

  it('keeps every given field, and a normalised section stays equal', () => {
    const spec = specOf(
      withKubernetes(
        {
          kubeconfig: 'config',
          context: 'admin@prod-eu',
          drain: {
            ignoreDaemonsets: false,
            deleteEmptydirData: true,
            force: true,
            gracePeriod: '0s',
            timeout: '1h',
            podSelector: 'app=web,tier notin (db, cache),!canary',
            disableEviction: true,
            skipWaitForDeleteTimeout: '5m',
            onDrainTimeout: 'skip-node',
            rules: [{ podSelector: 'app=batch', namespace: 'jobs', action: 'wait-completed', order: -1 }],
          },
          health: { readyTimeout: '5m', workloadsTimeout: '15m' },
        },
        {
          taskQueue: 'site-b',
          nodes: [{ ...NODE, kubernetesName: 'ip-10-0-0-12.internal', taskQueue: 'site-c' }],
        },
      ),
    );
    expect(spec).toMatchObject({
      taskQueue: 'site-b',
      kubernetes: {
        context: 'admin@prod-eu',
        drain: { gracePeriod: '0s', rules: [{ action: 'wait-completed', order: -1 }] },
        health: { workloadsTimeout: '15m' },
      },
      nodes: [{ kubernetesName: 'ip-10-0-0-12.internal', taskQueue: 'site-c' }],
    });
    expect(validateSpecObject(spec)).toEqual({ ok: true, spec });
  });

  it.each([
    [{}, /^kubernetes\.kubeconfig: missing; allowed: in-cluster, or the bare name of a file/],
    [
      { kubeconfig: '/root/.kube/config' },
      /^kubernetes\.kubeconfig: found "\/root\/\.kube\/config"; allowed: in-cluster/,
    ],
    [
      { kubeconfig: 'in-cluster', context: 'x' },
      /^kubernetes\.context: found "x", but in-cluster has no contexts; remove/,
    ],
    [
      { kubeconfig: 'a', drain: { timeout: '0s' } },
      /^kubernetes\.drain\.timeout: found "0s"; allowed: a duration .* from 10s to 7d/,
    ],
    [
      { kubeconfig: 'a', drain: { gracePeriod: -1 } },
      /^kubernetes\.drain\.gracePeriod: found -1; allowed: .* to 1d; leave it out for the grace period of each pod \(-1 of kubectl\)$/,
    ],
    [
      { kubeconfig: 'a', drain: { gracePeriod: 30 } },
      /^kubernetes\.drain\.gracePeriod: found 30; did you mean "30s"\?/,
    ],
    [{ kubeconfig: 'a', drain: { timeout: '600' } }, /^kubernetes\.drain\.timeout: found "600"; did you mean "600s"\?/],
    [
      { kubeconfig: 'a', drain: { skipWaitForDeleteTimeout: 0 } },
      /^kubernetes\.drain\.skipWaitForDeleteTimeout: found 0; allowed: .*; leave it out to wait for all pods/,
    ],
    [
      { kubeconfig: 'a', drain: true },
      /^kubernetes\.drain: found true; allowed: a mapping .*, skipWaitForDeleteTimeout, .*rules$/,
    ],
    [
      { kubeconfig: 'a', drain: { deleteLocalData: true } },
      /^kubernetes\.drain\.deleteLocalData: unknown key; did you mean "deleteEmptydirData"\?/,
    ],
    [
      { kubeconfig: 'a', drain: { rules: [{ podSelector: 'a=b', action: 'wait' }] } },
      /^kubernetes\.drain\.rules\[0\]\.action: found "wait"; did you mean "wait-completed"\?/,
    ],
    [{ kubeconfig: 'inCluster' }, /^kubernetes\.kubeconfig: found "inCluster"; did you mean "in-cluster"\?/],
    [
      { kubeconfig: 'a', drain: { onDrainTimeout: 'skip' } },
      /^kubernetes\.drain\.onDrainTimeout: found "skip"; did you mean "skip-node"\? allowed: fail, skip-node, proceed/,
    ],
    [
      { kubeconfig: 'a', drain: { podSelector: 'app=web;rm' } },
      /^kubernetes\.drain\.podSelector: found "app=web;rm"; allowed: a label selector/,
    ],
    [{ kubeconfig: 'a', drain: { 'ignore-daemonsets': true } }, /unknown key; did you mean "ignoreDaemonsets"/],
    [
      { kubeconfig: 'a', drain: { rules: [{ action: 'skip' }] } },
      /^kubernetes\.drain\.rules\[0\]\.podSelector: missing/,
    ],
  ])('rejects %j with the field, the value and the allowed values', (kubernetes, message) => {
    expect(issuesOf(withKubernetes(kubernetes))).toEqual([expect.stringMatching(message)]);
  });

  it('rejects a drain section together with patching without drain', () => {
    expect(issuesOf(withKubernetes({ kubeconfig: 'a' }, { patching: { withoutDrain: true } }))).toEqual([
      expect.stringMatching(
        /^patching\.withoutDrain: found true, but with `kubernetes` every node is drained; .*remove/,
      ),
    ]);
  });

  it('rejects two nodes with one Kubernetes name', () => {
    const nodes = [NODE, { ...NODE, name: 'w-2', host: '10.0.0.13', kubernetesName: 'w-1' }];
    expect(issuesOf(withKubernetes({ kubeconfig: 'a' }, { nodes }))).toEqual([
      'nodes[1].kubernetesName: found "w-1", already the Kubernetes name of nodes[0]; allowed: each once',
    ]);
  });

  it('warns of an unused Kubernetes name', () => {
    expect(issuesOf(specDocument({ nodes: [{ ...NODE, kubernetesName: 'x' }] }))).toEqual([
      expect.stringMatching(/^warning: nodes\[0\]\.kubernetesName: has no effect without a section `kubernetes`/),
    ]);
  });

  it.each(['', 'site b', '-x', 'a'.repeat(101), '../x'])('rejects the task queue %j', (taskQueue) => {
    expect(issuesOf(specDocument({ taskQueue }))).toEqual([
      expect.stringMatching(/^taskQueue: found .*; allowed: the name of/),
    ]);
  });

  it.each(['imported', 'aks', 'gke', 'managed'] as const)(
    'reports why a cluster of type %s is not patched, whatever patching fields its spec has',
    (type) => {
      const reason = notPatchableReason(type) ?? 'none';
      for (const key of ['patching', 'nodes', 'ssh', 'kubernetes', 'taskQueue']) {
        const document = { apiVersion: 'ospatch/v1', name: 'prod-eu', type, [key]: {} };
        expect(issuesOf(document)).toEqual([expect.stringContaining(`${key}: ${reason}; allowed: `)]);
      }
    },
  );
});
