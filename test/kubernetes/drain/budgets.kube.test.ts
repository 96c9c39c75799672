import type { V1Pod } from '@kubernetes/client-node';

import {
  addBudget,
  addDeployment,
  addJob,
  addPod,
  isReady,
  NEVER_READY,
  podsOn,
  setPodReady,
  waitForPods,
} from '../../support/kube-objects';
import type { KubeObject } from '../../../tools/kube/kube-api';
import { applyManifest } from '../../../tools/kube/users';
import { waitFor } from '../../support/wait-for';
import type { Scenario, Stage } from '../scenario';
import { startStage } from '../scenario';

describe('src/kubernetes/drain/drain: budgets of a real control plane', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
  });

  afterAll(() => stage.stop());

  function waitsFor({ heartbeats }: Scenario, words: string): Promise<unknown> {
    return waitFor(() => heartbeats.some(({ waitingFor }) => waitingFor?.includes(words)), {
      what: `"${words}" in the heartbeats`,
    });
  }

  const healthy = async (scenario: Scenario, app: string) => {
    const pods = await stage.plane.api.list<V1Pod>(
      { kind: 'Pod', namespace: scenario.name },
      `labelSelector=app%3D${app}`,
    );
    return pods.filter((pod) => isReady(pod.status?.conditions) && pod.metadata?.deletionTimestamp === undefined)
      .length;
  };

  it('never goes below the budget while a workload moves', async () => {
    const scenario = await stage.scenario('kept');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 6 }));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 5 }, 'kept');
    await scenario.addSpareNode();
    let lowest = 6;
    let isOver = false;
    const watched = (async () => {
      while (!isOver) lowest = Math.min(lowest, await healthy(scenario, 'web'));
    })();
    await scenario.cordon();
    const report = await scenario.drain();
    isOver = true;
    await watched;
    expect(report).toMatchObject({ state: 'drained', evicted: 6 });
    expect(lowest).toBe(5);
  });

  it('waits for a budget without allowed disruptions, names the budget, and continues at once when allowed', async () => {
    const scenario = await stage.scenario('blocks');
    const [sick, sound] = await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 1 }, 'blocks');
    await setPodReady(stage.plane, 'blocks', sick?.metadata?.name ?? '', false);
    await waitFor(async () => (await scenario.preview()).pending.length > 0, { what: 'the budget to be exhausted' });
    expect((await scenario.preview()).pending).toEqual([
      expect.stringMatching(`the budget web of namespace blocks, .*: blocks/${sound?.metadata?.name}`),
    ]);
    await scenario.cordonForAll();
    const drained = scenario.drain();
    await waitsFor(scenario, 'the budget web of namespace blocks allows no disruption (1 of 1 needed are healthy)');
    // Unhealthy pods may leave; their replacements have no node yet.
    await waitFor(async () => (await podsOn(stage.plane, scenario.name)).length === 1, {
      what: 'the end of the unhealthy pod',
    });
    expect(await podsOn(stage.plane, scenario.name)).toEqual([sound?.metadata?.name]);
    await scenario.addSpareNode();
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
  });

  it('fails at the timeout with the remaining pods and the budget that blocks them', async () => {
    const scenario = await stage.scenario('late');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addDeployment(stage.plane, 'free', scenario.here({}));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 1 }, 'late');
    await scenario.cordonForAll();
    // Replacements find no node, so the second pod may never leave.
    const report = await scenario.drain({ timeout: '20s' });
    expect(report).toMatchObject({
      state: 'timed-out',
      evicted: 2,
      blocked: [{ namespace: 'late', why: expect.stringContaining('the budget web of namespace late') as string }],
    });
    expect((await podsOn(stage.plane, scenario.name)).length).toBe(1);
  });

  it.each([
    { title: 'maxUnavailable 0', limit: { maxUnavailable: 0 } },
    { title: 'minAvailable 100%', limit: { minAvailable: '100%' } },
    { title: 'as many as there are', limit: { minAvailable: 2 } },
  ])('warns of a budget that opens only by a change, and still waits for that: $title', async ({ title, limit }) => {
    const scenario = await stage.scenario(
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .replace(/-$/, ''),
    );
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addDeployment(stage.plane, 'free', scenario.here({}));
    await addBudget(stage.plane, 'web', 'web', limit, scenario.name);
    const { blockers, pending } = await scenario.preview();
    const warning = expect.stringMatching(
      /budget web of namespace .* opens only when an operator or a person/,
    ) as string;
    expect([blockers, pending]).toEqual([[], [warning]]);
    await scenario.cordon();
    expect(await scenario.drain({ timeout: '10s' })).toMatchObject({
      state: 'timed-out',
      evicted: 1,
      blocked: [1, 2].map(() => ({
        why: expect.stringContaining(`the budget web of namespace ${scenario.name}`) as string,
      })),
    });
    expect((await podsOn(stage.plane, scenario.name)).length).toBe(2);
  });

  it.each([
    { title: 'a share of the pods of a Job', limit: { maxUnavailable: 1 }, why: 'does not implement the scale' },
    {
      title: 'a share of pods without a controller',
      limit: { minAvailable: '50%' },
      why: 'pods without a controller cannot be counted',
    },
  ])('warns of a budget that the server cannot compute: $title', async ({ limit, why }) => {
    const name = 'maxUnavailable' in limit ? 'of-job' : 'of-bare';
    const scenario = await stage.scenario(name);
    if (name === 'of-job') await addJob(stage.plane, 'web', scenario.here({ replicas: 2 }));
    else await addPod(stage.plane, 'web', scenario.here({ labels: { app: 'web' } }));
    const spec = { selector: { matchLabels: { app: 'web' } }, ...limit };
    await stage.plane.api.create<KubeObject>({
      ...{ kind: 'PodDisruptionBudget', metadata: { name: 'web', namespace: name } },
      ...{ spec },
    });
    await waitFor(async () => (await scenario.preview({ force: true })).pending.some((wait) => wait.includes(why)), {
      what: `"${why}"`,
    });
    const warning = expect.stringMatching(
      `budget web of namespace ${name}, which allows no eviction now and opens only`,
    );
    expect(await scenario.preview({ force: true })).toMatchObject({ blockers: [], pending: [warning] });
  });

  it('is not misled by a failed pod that the server still counts', async () => {
    const scenario = await stage.scenario('leftover');
    const [pod] = await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    const name = pod?.metadata?.name ?? '';
    await setPodReady(stage.plane, 'leftover', name, false);
    await stage.plane.api.patch(
      { kind: 'Pod', namespace: 'leftover', name },
      { status: { phase: 'Failed' } },
      'status',
    );
    await waitForPods(
      stage.plane,
      'leftover',
      'web',
      (pods) => pods.filter(({ status }) => status?.phase === 'Running').length === 2,
    );
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 2 }, 'leftover');
    expect((await scenario.preview()).pending).toEqual([expect.stringContaining('selects no more than 2')]);
  });

  it('reports two budgets on one pod, and evicts nothing', async () => {
    const scenario = await stage.scenario('two');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'one', 'web', { minAvailable: 1 }, 'two');
    await addBudget(stage.plane, 'other', 'web', { maxUnavailable: 1 }, 'two');
    expect((await scenario.preview()).blockers).toEqual([expect.stringMatching(/two budgets select.*one and other/)]);
    await scenario.cordon();
    await expect(scenario.drain()).rejects.toMatchObject({ type: 'DrainBlocked' });
    expect((await podsOn(stage.plane, scenario.name)).length).toBe(2);
  });

  it('continues when the second budget of a pod, created during the drain, is deleted', async () => {
    const scenario = await stage.scenario('second');
    const [first] = await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'one', 'web', { minAvailable: 1 }, 'second');
    await setPodReady(stage.plane, 'second', first?.metadata?.name ?? '', false);
    await waitFor(async () => (await scenario.preview()).pending.length > 0, { what: 'the budget to be exhausted' });
    await scenario.cordonForAll();
    const drained = scenario.drain();
    await waitsFor(scenario, 'the budget one of namespace second');
    await addBudget(stage.plane, 'other', 'web', { maxUnavailable: 2 }, 'second');
    await waitsFor(scenario, 'two budgets select it (one and other)');
    await scenario.addSpareNode();
    await stage.plane.api.delete({ kind: 'PodDisruptionBudget', namespace: 'second', name: 'one' });
    expect(await drained).toMatchObject({ state: 'drained', evicted: 2 });
  });

  it('evicts unready pods when their budget allows that', async () => {
    const scenario = await stage.scenario('sick');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2, annotations: { [NEVER_READY]: 'yes' } }));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 1 }, 'sick');
    await stage.plane.api.patch(
      { kind: 'PodDisruptionBudget', namespace: 'sick', name: 'web' },
      { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' } },
    );
    await scenario.cordonForAll();
    expect(await scenario.drain()).toMatchObject({ state: 'drained', evicted: 2 });
  });

  it('deletes pods against their budgets only with disableEviction, which needs its own permission', async () => {
    const scenario = await stage.scenario('forced');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'web', 'web', { maxUnavailable: 0 }, 'forced');
    await scenario.cordonForAll();
    await expect(scenario.drain({ disableEviction: true, timeout: '20s' })).rejects.toMatchObject({
      type: 'KubernetesApi',
      message: expect.stringContaining('cannot delete resource') as string,
    });
    await applyManifest(stage.plane.api, 'kubernetes-rbac-disable-eviction.yaml');
    await waitFor(async () => (await scenario.connect().podsOfNode(scenario.name)).length === 2, { what: 'both pods' });
    expect(await scenario.drain({ disableEviction: true })).toMatchObject({ state: 'drained', evicted: 2 });
    await waitForPods(stage.plane, 'forced', 'web', (pods) =>
      pods.every((pod) => pod.spec?.nodeName !== scenario.name),
    );
  });
});
