import { isDeepStrictEqual } from 'node:util';

import type { V1Node } from '@kubernetes/client-node';

import type { CordonOwner } from '../../../src/domain/kubernetes/types';
import { CORDON_ANNOTATION, cordonOwner } from '../../../src/domain/kubernetes/types';
import {
  addBudget,
  addDaemonSet,
  addDeployment,
  addMirrorPod,
  addNode,
  bootNode,
  patchNodeStatus,
  podsOn,
  setPodReady,
  stopNode,
  TERMINATES_IN,
  waitForNode,
} from '../../support/kube-objects';
import { waitFor } from '../../support/wait-for';
import type { Scenario, Stage } from '../scenario';
import { startStage } from '../scenario';

describe('src/kubernetes: cordon, drain and uncordon of a node on a real control plane', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
  });

  afterAll(() => stage.stop());

  const nodeOf = ({ name }: Scenario) => stage.plane.api.get<V1Node>({ kind: 'Node', name });
  const waitsFor = ({ heartbeats }: Scenario, words: string) =>
    waitFor(() => heartbeats.some(({ waitingFor }) => waitingFor?.includes(words)), { what: `"${words}"` });

  async function allEvicted({ name }: Scenario, count: number): Promise<void> {
    await waitFor(
      async () => {
        const pods = await stage.plane.api.list<{ metadata: { deletionTimestamp?: string } }>(
          { kind: 'Pod' },
          `fieldSelector=spec.nodeName%3D${name}`,
        );
        return pods.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length === count;
      },
      { what: `${count} evictions` },
    );
  }

  it('cordons a node with its owner and removes both on uncordon', async () => {
    const scenario = await stage.scenario('plain');
    const before = await nodeOf(scenario);
    await scenario.cordon();
    const cordoned = await nodeOf(scenario);
    expect(cordoned.spec?.unschedulable).toBe(true);
    expect(cordoned.metadata?.annotations).toHaveProperty([CORDON_ANNOTATION], cordonOwner(scenario.owner));
    expect(
      await scenario.run(scenario.activities.findStaleCordons, { cluster: 'prod', access: scenario.target.access }),
    ).toEqual([{ nodeName: 'plain', owner: scenario.owner }]);
    expect(await scenario.uncordon()).toBe(true);
    expect(await scenario.uncordon()).toBe(false);
    expect((await nodeOf(scenario)).metadata?.annotations).toEqual(before.metadata?.annotations);
    // The node controller removes the taint of an unschedulable node with a delay.
    await waitForNode(stage.plane, 'plain', ({ spec }) => isDeepStrictEqual(spec, before.spec));
  });

  it('leaves a node cordoned that somebody else had cordoned before', async () => {
    const scenario = await stage.scenario('foreign');
    await stage.plane.kubectl('cordon', 'foreign');
    expect(await scenario.preview()).toMatchObject({ cordonedBy: 'others', owner: null });
    await scenario.cordon();
    expect(await scenario.drain()).toMatchObject({ state: 'drained' });
    expect(await scenario.uncordon()).toBe(false);
    expect((await nodeOf(scenario)).spec?.unschedulable).toBe(true);
  });

  it('leaves a node cordoned that somebody else has cordoned in the meantime', async () => {
    const scenario = await stage.scenario('taken-over');
    await scenario.cordon();
    // kubectl cordon changes nothing on a cordoned node; uncordon and cordon take the cordon over.
    await stage.plane.kubectl('uncordon', 'taken-over');
    await stage.plane.kubectl('cordon', 'taken-over');
    expect(await scenario.uncordon()).toBe(false);
    const node = await nodeOf(scenario);
    expect(node.spec?.unschedulable).toBe(true);
    expect(node.metadata?.annotations).not.toHaveProperty([CORDON_ANNOTATION]);
  });

  it('stops a drain when somebody uncordons the node', async () => {
    const scenario = await stage.scenario('uncordoned');
    await addDeployment(stage.plane, 'web', scenario.here({ annotations: { [TERMINATES_IN]: '1h' } }));
    await scenario.cordon();
    const drained = scenario.drain();
    const ended = drained.catch((error: unknown) => error);
    await allEvicted(scenario, 1);
    await stage.plane.kubectl('uncordon', 'uncordoned');
    expect(await ended).toMatchObject({
      type: 'Policy',
      message: expect.stringMatching(/uncordoned was uncordoned by somebody else while it was drained/) as string,
    });
    expect(await scenario.uncordon()).toBe(false);
  });

  it('continues a drain after the API server was killed', async () => {
    const scenario = await stage.scenario('killed');
    await addDeployment(stage.plane, 'web', scenario.here({ replicas: 10, annotations: { [TERMINATES_IN]: '2s' } }));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 8 }, 'killed');
    await scenario.addSpareNode();
    await scenario.cordon();
    const drained = scenario.drain({ timeout: '200s' });
    await waitFor(() => scenario.heartbeats.some(({ done }) => (done ?? 0) >= 1), { what: 'the first pod to be gone' });
    await stage.plane.killApiServer();
    await waitsFor(scenario, 'is unreachable');
    await stage.plane.restartApiServer();
    expect(await drained).toMatchObject({ state: 'drained', evicted: 10 });
    expect(await scenario.uncordon()).toBe(true);
  });

  it('uncordons a node however long the API server is unavailable', async () => {
    const scenario = await stage.scenario('away');
    await scenario.cordon();
    await stage.plane.killApiServer();
    const back = scenario.uncordon();
    await waitsFor(scenario, 'is unreachable');
    await stage.plane.restartApiServer();
    expect(await back).toBe(true);
    expect((await nodeOf(scenario)).spec?.unschedulable).toBeUndefined();
  });

  it.each(['expired', 'wrong'] as const)(
    'reports in one sentence that a token is %s, and never the token',
    async (kind) => {
      const scenario = await stage.scenario(kind, kind);
      const error = await scenario.preview().then(
        () => undefined,
        (reason: unknown) => reason as Error & { type: string },
      );
      expect(error).toMatchObject({ type: 'KubernetesApi' });
      expect(error?.message).toMatch(/^[^\n]*does not accept the credentials of [^\n]* \(401\)[^\n]*$/);
      // Every kubeconfig of the environment has a token of 32 characters or more.
      expect(JSON.stringify([error?.message, error?.stack])).not.toMatch(/eyJ|[0-9a-f]{32}/);
    },
  );

  it('never changes a node of another machine', async () => {
    const scenario = await stage.scenario('mistaken');
    const { target, owner, activities } = scenario;
    const machine = { machineId: 'other', bootId: 'other' };
    const cordon = scenario.run(activities.cordon, { target, owner, machine, unreachableTimeoutMs: 5_000 });
    await expect(cordon).rejects.toMatchObject({ type: 'WrongNode' });
    expect((await nodeOf(scenario)).spec?.unschedulable).toBeUndefined();
  });

  it('waits after a reboot for the new boot id, Ready, DaemonSet pods and the end of new pressure', async () => {
    const scenario = await stage.scenario('boots');
    const [daemon] = await addDaemonSet(stage.plane, 'net', scenario.here({}));
    const baseline = await scenario.cordon();
    const { target, activities } = scenario;
    const machine = { ...scenario.machine, bootId: 'second-boot' };
    const healthy = scenario.run(activities.awaitHealthy, { target, machine, baseline, timeoutMs: 60_000 });
    await waitsFor(scenario, 'the kubelet has not reported since the boot');
    await stopNode(stage.plane, scenario.name);
    await patchNodeStatus(stage.plane, scenario.name, { nodeInfo: { bootID: 'second-boot' } });
    await waitsFor(scenario, 'the node is not Ready');
    await setPodReady(stage.plane, scenario.name, daemon?.metadata?.name ?? '', false);
    await bootNode(stage.plane, scenario.name, 'second-boot');
    await waitsFor(scenario, 'its pods of DaemonSet boots/net are not ready');
    const pressure = (status: string) =>
      patchNodeStatus(stage.plane, scenario.name, { conditions: [{ type: 'DiskPressure', status }] });
    await pressure('True');
    await setPodReady(stage.plane, scenario.name, daemon?.metadata?.name ?? '', true);
    await waitsFor(scenario, 'the node has DiskPressure and had not before');
    await pressure('False');
    await healthy;
    expect(await scenario.uncordon()).toBe(true);
  });

  it('waits with a control-plane node until the others are healthy', async () => {
    const roles = { 'node-role.kubernetes.io/control-plane': '' };
    for (const name of ['cp-2', 'cp-3']) {
      await addNode(stage.plane, name, { labels: roles });
      for (const part of ['etcd', 'kube-apiserver']) await addMirrorPod(stage.plane, part, name, part);
    }
    const scenario = await stage.scenario('cp-1');
    await stage.plane.api.patch({ kind: 'Node', name: 'cp-1' }, { metadata: { labels: roles } });
    for (const part of ['etcd', 'kube-apiserver']) await addMirrorPod(stage.plane, part, 'cp-1', part);
    await setPodReady(stage.plane, 'kube-system', 'etcd-cp-2', false);
    const cordoned = scenario.cordon();
    await waitsFor(scenario, 'the control plane:');
    expect((await nodeOf(scenario)).spec?.unschedulable).toBeUndefined();
    await setPodReady(stage.plane, 'kube-system', 'etcd-cp-2', true);
    await cordoned;
    expect((await nodeOf(scenario)).spec?.unschedulable).toBe(true);
    expect(await podsOn(stage.plane, 'cp-1')).toEqual([]);
    await scenario.uncordon();
  });

  it('removes a stale cordon of an earlier run on the same node, and no other cordon', async () => {
    const scenario = await stage.scenario('leftover');
    await scenario.cordon();
    const { target, activities } = scenario;
    const other: CordonOwner = { ...scenario.owner, run: 8, token: 'fedcba9876543210' };
    expect(await scenario.run(activities.uncordon, { target, owner: other })).toBe(false);
    const elsewhere = { ...target, cluster: 'other' };
    expect(await scenario.run(activities.uncordon, { target: elsewhere, owner: 'any' })).toBe(false);
    expect(await scenario.run(activities.uncordon, { target, owner: 'any' })).toBe(true);
    await waitForNode(stage.plane, 'leftover', (node) => node.spec?.unschedulable === undefined);
  });

  it('refuses to be the second reboot owner', async () => {
    const scenario = await stage.scenario('kured');
    await addDaemonSet(stage.plane, 'kured', scenario.here({}));
    await expect(scenario.preview()).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('kured (DaemonSet kured/kured)') as string,
    });
  });
});
