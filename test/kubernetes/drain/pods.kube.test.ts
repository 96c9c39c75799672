import type { V1Pod } from '@kubernetes/client-node';

import {
  addBudget,
  addDaemonSet,
  addDeployment,
  addJob,
  addMirrorPod,
  addPod,
  addStatefulSet,
  COMPLETES_AFTER,
  NEVER_READY,
  podsOn,
  TERMINATES_IN,
  waitForPods,
} from '../../support/kube-objects';
import { waitFor } from '../../support/wait-for';
import type { Scenario, Stage } from '../scenario';
import { startStage } from '../scenario';

describe('src/kubernetes/drain/drain: which pods leave a node of a real control plane', () => {
  let stage: Stage;

  beforeAll(async () => {
    // The DaemonSet controller would soon delete pods of a deleted DaemonSet.
    stage = await startStage({ controllerManagerFlags: ['--controllers=*,-garbage-collector-controller'] });
  });

  afterAll(() => stage.stop());

  const namesOf = (pods: V1Pod[]) => pods.map(({ metadata }) => metadata?.name ?? '').sort();

  /** Lines of `kubectl drain --dry-run=server` with a pod name. */
  async function kubectlWouldEvict({ name }: Scenario, ...flags: string[]): Promise<string[]> {
    const { output } = await stage.plane.kubectl('drain', name, '--dry-run=server', '--timeout=2s', ...flags);
    return [
      ...new Set([...output.matchAll(/evicting pod ([^ ]+) \(server dry run\)/g)].map(([, pod]) => pod ?? '')),
    ].sort();
  }

  it('moves a workload to another node and names it', async () => {
    const scenario = await stage.scenario('moves');
    const before = await addDeployment(stage.plane, 'web', scenario.here({ replicas: 3 }));
    await addStatefulSet(stage.plane, 'db', scenario.here({ replicas: 2 }));
    const spare = await scenario.addSpareNode();
    await scenario.cordon();
    const report = await scenario.drain();
    expect(report).toMatchObject({ state: 'drained', evicted: 5, blocked: [] });
    expect(report.workloads).toEqual(
      expect.arrayContaining([
        { namespace: 'moves', kind: 'Deployment', name: 'web', availableBefore: 3 },
        { namespace: 'moves', kind: 'StatefulSet', name: 'db', availableBefore: 2 },
      ]),
    );
    expect(await podsOn(stage.plane, scenario.name)).toEqual([]);
    await scenario.run(scenario.activities.awaitWorkloads, {
      ...{ target: scenario.target, workloads: report.workloads, timeoutMs: 20_000 },
    });
    // The availability in the status of the StatefulSet may lag.
    const after = await waitFor(
      async () => {
        const names = await podsOn(stage.plane, spare);
        return names.length === 5 && names;
      },
      { what: 'all pods on the other node' },
    );
    expect(after.some((name) => namesOf(before).includes(name))).toBe(false);
  });

  it('does not wait for pods that were unavailable before', async () => {
    const scenario = await stage.scenario('short');
    await addDeployment(stage.plane, 'sick', scenario.here({ replicas: 2, annotations: { [NEVER_READY]: 'yes' } }));
    await scenario.addSpareNode();
    await scenario.cordon();
    const { workloads } = await scenario.drain();
    expect(workloads).toEqual([{ namespace: 'short', kind: 'Deployment', name: 'sick', availableBefore: 0 }]);
    await scenario.run(scenario.activities.awaitWorkloads, { target: scenario.target, workloads, timeoutMs: 2_000 });
    const wanted = workloads.map(({ availableBefore: _, ...name }) => name);
    await expect(
      scenario.run(scenario.activities.awaitWorkloads, { target: scenario.target, workloads: wanted, timeoutMs: 0 }),
    ).rejects.toMatchObject({ type: 'Unhealthy' });
  });

  it('drains a node of 200 pods', async () => {
    const scenario = await stage.scenario('many');
    await addDeployment(stage.plane, 'crowd', scenario.here({ replicas: 200 }));
    await scenario.addSpareNode();
    await scenario.cordon();
    expect(await scenario.drain()).toMatchObject({ state: 'drained', evicted: 200 });
    expect(await podsOn(stage.plane, scenario.name)).toEqual([]);
  });

  it('leaves DaemonSet pods and static pods in place', async () => {
    const scenario = await stage.scenario('stay');
    const daemons = await addDaemonSet(stage.plane, 'logs', scenario.here({}));
    await addMirrorPod(stage.plane, 'proxy', scenario.name);
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 1 }));
    await scenario.addSpareNode();
    await scenario.cordon();
    expect(await scenario.drain()).toMatchObject({ state: 'drained', evicted: 1 });
    expect(await podsOn(stage.plane, scenario.name)).toEqual(namesOf(daemons));
    expect(await stage.plane.api.find({ kind: 'Pod', namespace: 'kube-system', name: 'proxy-stay' })).toBeDefined();
  });

  it('rejects DaemonSet pods when the policy does not ignore them', async () => {
    const scenario = await stage.scenario('daemons-refused');
    const [daemon] = await addDaemonSet(stage.plane, 'logs', scenario.here({}));
    const { blockers } = await scenario.preview({ ignoreDaemonsets: false });
    expect(blockers).toEqual([expect.stringContaining(`daemons-refused/${daemon?.metadata?.name}`)]);
    await scenario.cordon();
    await expect(scenario.drain({ ignoreDaemonsets: false })).rejects.toMatchObject({ type: 'DrainBlocked' });
  });

  it('classifies the pod of a deleted DaemonSet as unmanaged', async () => {
    const scenario = await stage.scenario('orphan');
    const [daemon] = await addDaemonSet(stage.plane, 'logs', scenario.here({}));
    const name = daemon?.metadata?.name ?? '';
    await stage.plane.api.delete({ kind: 'DaemonSet', namespace: 'orphan', name: 'logs' });
    await scenario.cordon();
    await expect(scenario.drain()).rejects.toMatchObject({
      type: 'DrainBlocked',
      message: expect.stringMatching(`of a DaemonSet that no longer exists .*orphan/${name}`) as string,
    });
    expect(await kubectlWouldEvict(scenario, '--ignore-daemonsets', '--force')).toEqual([`orphan/${name}`]);
    expect(await scenario.drain({ force: true })).toMatchObject({ state: 'drained', evicted: 1 });
  });

  it('rejects a bare pod and one with an emptyDir before the first eviction, and evicts them when allowed', async () => {
    const scenario = await stage.scenario('refused');
    await addPod(stage.plane, 'bare', scenario.here({}));
    await addDeployment(stage.plane, 'cache', scenario.here({ emptyDir: true }));
    await addDeployment(stage.plane, 'web', scenario.here({}));
    const before = await podsOn(stage.plane, scenario.name);
    expect((await scenario.preview()).blockers).toEqual([
      expect.stringMatching(/refused\/bare/),
      expect.stringMatching(/refused\/cache-/),
    ]);
    await scenario.addSpareNode();
    await scenario.cordon();
    await expect(scenario.drain()).rejects.toMatchObject({ type: 'DrainBlocked' });
    await expect(scenario.drain({ force: true })).rejects.toMatchObject({ type: 'DrainBlocked' });
    expect(await podsOn(stage.plane, scenario.name)).toEqual(before);
    const report = await scenario.drain({ force: true, deleteEmptydirData: true });
    expect(report).toMatchObject({ state: 'drained', evicted: 3 });
  });

  it('evicts the pod of a Job, or waits for its completion by rule', async () => {
    const scenario = await stage.scenario('jobs');
    const [pod] = await addJob(stage.plane, 'import', scenario.here({}));
    await addJob(stage.plane, 'backup', scenario.here({ annotations: { [COMPLETES_AFTER]: '3s' } }));
    await scenario.cordon();
    const rule = { podSelector: 'app=backup', action: 'wait-completed', order: 0 } as const;
    const report = await scenario.drain({ rules: [rule] });
    expect(report).toMatchObject({ state: 'drained', evicted: 1 });
    const [backup] = await waitForPods(stage.plane, 'jobs', 'backup', (pods) => pods.length > 0);
    expect(backup?.status?.phase).toBe('Succeeded');
    expect(await podsOn(stage.plane, scenario.name)).not.toContain(pod?.metadata?.name);
  });

  it('evicts finished pods of any kind', async () => {
    const scenario = await stage.scenario('finished');
    await addPod(stage.plane, 'bare', scenario.here({ emptyDir: true, annotations: { [COMPLETES_AFTER]: '100ms' } }));
    await waitFor(
      async () =>
        (await stage.plane.api.get<V1Pod>({ kind: 'Pod', namespace: 'finished', name: 'bare' })).status?.phase ===
        'Succeeded',
      { what: 'the end of the pod' },
    );
    await scenario.cordon();
    expect(await scenario.drain()).toMatchObject({ state: 'drained', evicted: 1 });
    expect(await podsOn(stage.plane, scenario.name)).toEqual([]);
  });

  it('skips pods by rule, and evicts the others in the order of the rules', async () => {
    const scenario = await stage.scenario('rules');
    const [first] = await addDeployment(
      stage.plane,
      'first',
      scenario.here({ annotations: { [TERMINATES_IN]: '1h' } }),
    );
    const [last] = await addDeployment(stage.plane, 'last', scenario.here({}));
    const skipped = await addDeployment(stage.plane, 'stays', scenario.here({}));
    await scenario.addSpareNode();
    await scenario.cordon();
    const drained = scenario.drain({
      rules: [
        { podSelector: 'app=stays', action: 'skip', order: 0 },
        { podSelector: 'app in (last)', action: 'evict', order: 10 },
      ],
    });
    await waitForPods(stage.plane, 'rules', 'first', (pods) =>
      pods.some((pod) => pod.metadata?.deletionTimestamp !== undefined),
    );
    const object = (pod: V1Pod | undefined) => ({ kind: 'Pod', namespace: 'rules', name: pod?.metadata?.name ?? '' });
    expect((await stage.plane.api.get<V1Pod>(object(last))).metadata?.deletionTimestamp).toBeUndefined();
    await stage.plane.api.delete(object(first), 0);
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
    expect(await podsOn(stage.plane, scenario.name)).toEqual(namesOf(skipped));
  });

  it('lets pods terminate with their namespace', async () => {
    const scenario = await stage.scenario('doomed');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 3, annotations: { [TERMINATES_IN]: '3s' } }));
    await scenario.cordon();
    await stage.plane.api.delete({ kind: 'Namespace', name: 'doomed' });
    expect(await scenario.drain()).toMatchObject({ state: 'drained' });
    expect(await podsOn(stage.plane, scenario.name)).toEqual([]);
  });

  it('does not evict a pod that reuses the name of the intended one', async () => {
    const scenario = await stage.scenario('replaced');
    const uidOf = ([pod]: V1Pod[]) => pod?.metadata?.uid;
    const old = uidOf(await addStatefulSet(stage.plane, 'db', scenario.here({})));
    const api = scenario.connect();
    const [meant] = await api.podsOfNode(scenario.name);
    await stage.plane.api.delete({ kind: 'Pod', namespace: 'replaced', name: 'db-0' });
    await waitForPods(stage.plane, 'replaced', 'db', (pods) => pods.length === 1 && uidOf(pods) !== old);
    if (meant === undefined) throw new Error('there was no pod');
    expect(await api.evict(meant, {})).toEqual({ state: 'gone' });
    const [fresh] = await api.podsOfNode(scenario.name);
    expect(fresh).toMatchObject({ name: 'db-0', deletionAtMs: null });
    expect(fresh?.uid).not.toBe(meant.uid);
  });

  it('selects the same pods as kubectl drain in the same state', async () => {
    const scenario = await stage.scenario('compared');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 3 }));
    await addStatefulSet(stage.plane, 'db', scenario.here({ replicas: 2 }));
    await addDaemonSet(stage.plane, 'logs', scenario.here({ emptyDir: true }));
    await addMirrorPod(stage.plane, 'proxy', scenario.name);
    await addJob(stage.plane, 'import', scenario.here({}));
    await addPod(stage.plane, 'bare', scenario.here({ emptyDir: true }));
    await addPod(stage.plane, 'done', scenario.here({ annotations: { [COMPLETES_AFTER]: '100ms' } }));
    await addDeployment(stage.plane, 'held', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'held', 'held', { minAvailable: 1 }, 'compared');
    const everything = { force: true, deleteEmptydirData: true };
    const flags = ['--ignore-daemonsets', '--force', '--delete-emptydir-data'];
    const ours = async (policy: object) =>
      (await scenario.preview(policy)).pods.map(({ namespace, name }) => `${namespace}/${name}`).sort();

    const all = await kubectlWouldEvict(scenario, ...flags);
    expect(all.length).toBe(10);
    expect(await ours(everything)).toEqual(all);
    const some = await kubectlWouldEvict(scenario, ...flags, '--pod-selector=app in (web,db)');
    expect(some.length).toBe(5);
    expect(await ours({ ...everything, podSelector: 'app in (web,db)' })).toEqual(some);
    // Without permission kubectl lists no pods and reports the missing permissions.
    expect(await kubectlWouldEvict(scenario)).toEqual([]);
    expect((await scenario.preview({ ignoreDaemonsets: false })).blockers.length).toBeGreaterThan(0);
  });
});
