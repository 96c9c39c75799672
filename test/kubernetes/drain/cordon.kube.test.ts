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
import type { Scene, Stage } from '../scene';
import { startStage } from '../scene';

describe('src/kubernetes: a node of a real control plane that is cordoned, drained and given back', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage();
  });

  afterAll(() => stage.stop());

  const nodeOf = ({ name }: Scene) => stage.plane.api.get<V1Node>({ kind: 'Node', name });
  const waitsFor = ({ heartbeats }: Scene, words: string) =>
    waitFor(() => heartbeats.some(({ waitingFor }) => waitingFor?.includes(words)), { what: `"${words}"` });

  async function allEvicted({ name }: Scene, count: number): Promise<void> {
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

  it('cordons a node under the name of its owner and leaves nothing of it behind', async () => {
    const scene = await stage.scene('plain');
    const before = await nodeOf(scene);
    await scene.cordon();
    const cordoned = await nodeOf(scene);
    expect(cordoned.spec?.unschedulable).toBe(true);
    expect(cordoned.metadata?.annotations).toHaveProperty([CORDON_ANNOTATION], cordonOwner(scene.owner));
    expect(await scene.run(scene.activities.findLeftovers, { cluster: 'prod', access: scene.target.access })).toEqual([
      { nodeName: 'plain', owner: scene.owner },
    ]);
    expect(await scene.uncordon()).toBe(true);
    expect(await scene.uncordon()).toBe(false);
    expect((await nodeOf(scene)).metadata?.annotations).toEqual(before.metadata?.annotations);
    // The taint of an unschedulable node is the node controller's, which takes it off in its own time.
    await waitForNode(stage.plane, 'plain', ({ spec }) => isDeepStrictEqual(spec, before.spec));
  });

  it('leaves a node cordoned that somebody else had cordoned before', async () => {
    const scene = await stage.scene('foreign');
    await stage.plane.kubectl('cordon', 'foreign');
    expect(await scene.outlook()).toMatchObject({ cordonedBy: 'others', owner: null });
    await scene.cordon();
    expect(await scene.drain()).toMatchObject({ state: 'drained' });
    expect(await scene.uncordon()).toBe(false);
    expect((await nodeOf(scene)).spec?.unschedulable).toBe(true);
  });

  it('leaves a node cordoned that somebody else has made his own meanwhile', async () => {
    const scene = await stage.scene('taken-over');
    await scene.cordon();
    // kubectl cordon changes nothing on a cordoned node; off and on again is what makes it his.
    await stage.plane.kubectl('uncordon', 'taken-over');
    await stage.plane.kubectl('cordon', 'taken-over');
    expect(await scene.uncordon()).toBe(false);
    const node = await nodeOf(scene);
    expect(node.spec?.unschedulable).toBe(true);
    expect(node.metadata?.annotations).not.toHaveProperty([CORDON_ANNOTATION]);
  });

  it('stops a drain when somebody uncordons the node', async () => {
    const scene = await stage.scene('uncordoned');
    await addDeployment(stage.plane, 'web', scene.here({ annotations: { [TERMINATES_IN]: '1h' } }));
    await scene.cordon();
    const drained = scene.drain();
    const ended = drained.catch((error: unknown) => error);
    await allEvicted(scene, 1);
    await stage.plane.kubectl('uncordon', 'uncordoned');
    expect(await ended).toMatchObject({
      type: 'Policy',
      message: expect.stringMatching(/uncordoned was uncordoned by somebody else while it was drained/) as string,
    });
    expect(await scene.uncordon()).toBe(false);
  });

  it('goes on with a drain when the API server was killed in the middle of it', async () => {
    const scene = await stage.scene('killed');
    await addDeployment(stage.plane, 'web', scene.here({ replicas: 10, annotations: { [TERMINATES_IN]: '2s' } }));
    await addBudget(stage.plane, 'web', 'web', { minAvailable: 8 }, 'killed');
    await scene.addSpareNode();
    await scene.cordon();
    const drained = scene.drain({ timeout: '200s' });
    await waitFor(() => scene.heartbeats.some(({ done }) => (done ?? 0) >= 1), { what: 'the first pod to be gone' });
    await stage.plane.killApiServer();
    await waitsFor(scene, 'is out of reach');
    await stage.plane.restartApiServer();
    expect(await drained).toMatchObject({ state: 'drained', evicted: 10 });
    expect(await scene.uncordon()).toBe(true);
  });

  it('gives a node back however long the API server is away', async () => {
    const scene = await stage.scene('away');
    await scene.cordon();
    await stage.plane.killApiServer();
    const back = scene.uncordon();
    await waitsFor(scene, 'is out of reach');
    await stage.plane.restartApiServer();
    expect(await back).toBe(true);
    expect((await nodeOf(scene)).spec?.unschedulable).toBeUndefined();
  });

  it.each(['expired', 'wrong'] as const)(
    'says in one sentence that a token is %s, and never the token',
    async (kind) => {
      const scene = await stage.scene(kind, kind);
      const error = await scene.outlook().then(
        () => undefined,
        (reason: unknown) => reason as Error & { type: string },
      );
      expect(error).toMatchObject({ type: 'KubernetesApi' });
      expect(error?.message).toMatch(/^[^\n]*does not accept the credentials of [^\n]* \(401\)[^\n]*$/);
      // Every kubeconfig of the stage has a token of 32 characters or more.
      expect(JSON.stringify([error?.message, error?.stack])).not.toMatch(/eyJ|[0-9a-f]{32}/);
    },
  );

  it('never touches a node of another machine', async () => {
    const scene = await stage.scene('mistaken');
    const { target, owner, activities } = scene;
    const machine = { machineId: 'other', bootId: 'other' };
    const cordon = scene.run(activities.cordon, { target, owner, machine, unreachableTimeoutMs: 5_000 });
    await expect(cordon).rejects.toMatchObject({ type: 'WrongNode' });
    expect((await nodeOf(scene)).spec?.unschedulable).toBeUndefined();
  });

  it('waits after a reboot for the new boot id, for Ready, for DaemonSet pods and for new pressure to be over', async () => {
    const scene = await stage.scene('boots');
    const [daemon] = await addDaemonSet(stage.plane, 'net', scene.here({}));
    const baseline = await scene.cordon();
    const { target, activities } = scene;
    const machine = { ...scene.machine, bootId: 'second-boot' };
    const healthy = scene.run(activities.awaitHealthy, { target, machine, baseline, timeoutMs: 60_000 });
    await waitsFor(scene, 'the kubelet has not reported since the boot');
    await stopNode(stage.plane, scene.name);
    await patchNodeStatus(stage.plane, scene.name, { nodeInfo: { bootID: 'second-boot' } });
    await waitsFor(scene, 'the node is not Ready');
    await setPodReady(stage.plane, scene.name, daemon?.metadata?.name ?? '', false);
    await bootNode(stage.plane, scene.name, 'second-boot');
    await waitsFor(scene, 'its pods of DaemonSet boots/net are not ready');
    const pressure = (status: string) =>
      patchNodeStatus(stage.plane, scene.name, { conditions: [{ type: 'DiskPressure', status }] });
    await pressure('True');
    await setPodReady(stage.plane, scene.name, daemon?.metadata?.name ?? '', true);
    await waitsFor(scene, 'the node has DiskPressure and had not before');
    await pressure('False');
    await healthy;
    expect(await scene.uncordon()).toBe(true);
  });

  it('spares a control plane node until the others are whole', async () => {
    const roles = { 'node-role.kubernetes.io/control-plane': '' };
    for (const name of ['cp-2', 'cp-3']) {
      await addNode(stage.plane, name, { labels: roles });
      for (const part of ['etcd', 'kube-apiserver']) await addMirrorPod(stage.plane, part, name, part);
    }
    const scene = await stage.scene('cp-1');
    await stage.plane.api.patch({ kind: 'Node', name: 'cp-1' }, { metadata: { labels: roles } });
    for (const part of ['etcd', 'kube-apiserver']) await addMirrorPod(stage.plane, part, 'cp-1', part);
    await setPodReady(stage.plane, 'kube-system', 'etcd-cp-2', false);
    const cordoned = scene.cordon();
    await waitsFor(scene, 'the control plane:');
    expect((await nodeOf(scene)).spec?.unschedulable).toBeUndefined();
    await setPodReady(stage.plane, 'kube-system', 'etcd-cp-2', true);
    await cordoned;
    expect((await nodeOf(scene)).spec?.unschedulable).toBe(true);
    expect(await podsOn(stage.plane, 'cp-1')).toEqual([]);
    await scene.uncordon();
  });

  it('takes off the cordon that an earlier run of the same node left, and no other', async () => {
    const scene = await stage.scene('leftover');
    await scene.cordon();
    const { target, activities } = scene;
    const other: CordonOwner = { ...scene.owner, run: 8, token: 'fedcba9876543210' };
    expect(await scene.run(activities.uncordon, { target, owner: other })).toBe(false);
    const elsewhere = { ...target, cluster: 'other' };
    expect(await scene.run(activities.uncordon, { target: elsewhere, owner: 'any' })).toBe(false);
    expect(await scene.run(activities.uncordon, { target, owner: 'any' })).toBe(true);
    await waitForNode(stage.plane, 'leftover', (node) => node.spec?.unschedulable === undefined);
  });

  it('refuses to be the second reboot owner', async () => {
    const scene = await stage.scene('kured');
    await addDaemonSet(stage.plane, 'kured', scene.here({}));
    await expect(scene.outlook()).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('kured (DaemonSet kured/kured)') as string,
    });
  });
});
