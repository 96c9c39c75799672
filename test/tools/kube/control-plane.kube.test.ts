import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { V1Node, V1Pod } from '@kubernetes/client-node';

import { processStartTime } from '../../../src/dev/host';
import type { ControlPlane } from '../../../tools/kube/control-plane';
import { startControlPlane } from '../../../tools/kube/control-plane';
import { KubeApi, KubeApiError } from '../../../tools/kube/kube-api';
import {
  addBudget,
  addDaemonSet,
  addDeployment,
  addJob,
  addMirrorPod,
  addNode,
  addPod,
  bootNode,
  COMPLETES_AFTER,
  isReady,
  stopNode,
  TERMINATES_IN,
  waitForNode,
  waitForPod,
  waitForPods,
} from '../../support/kube-objects';
import { waitFor } from '../../support/wait-for';

const REGISTER = path.join(__dirname, '../../../tools/register.js');
const CONTROL_PLANE = path.join(__dirname, '../../../tools/kube/control-plane.ts');

describe('tools/kube/control-plane', () => {
  const clients: KubeApi[] = [];
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startControlPlane();
    await addNode(plane, 'cp-1', { labels: { 'node-role.kubernetes.io/control-plane': '' } });
    await addNode(plane, 'w-1', { machineId: 'm1', bootId: 'b1' });
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await plane.stop();
  });

  function as(name: keyof ControlPlane['kubeconfigs']): KubeApi {
    const config = JSON.parse(readFileSync(plane.kubeconfigs[name], 'utf8')) as {
      users: { user: { token: string } }[];
    };
    const client = new KubeApi({ ...plane.api.options, token: config.users[0]?.user.token ?? '' });
    clients.push(client);
    return client;
  }

  async function rejection(call: Promise<unknown>): Promise<{ code: number; body: Record<string, unknown> }> {
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof KubeApiError)) throw new Error(`no refusal but ${String(error)}`);
    return { code: error.code, body: JSON.parse(error.body) as Record<string, unknown> };
  }

  it('answers an eviction that violates a budget with 429 and the cause DisruptionBudget', async () => {
    const [pod] = await addDeployment(plane, 'web', { replicas: 2 });
    await addBudget(plane, 'web', 'web', { minAvailable: 2 });
    const { code, body } = await rejection(as('ospatch').evict('default', pod?.metadata?.name ?? ''));
    expect(code).toBe(429);
    expect(body).toMatchObject({ details: { causes: [{ reason: 'DisruptionBudget' }] } });
  });

  it('replaces a pod that was evicted within its budget', async () => {
    const pods = await addDeployment(plane, 'api', { replicas: 2 });
    await addBudget(plane, 'api', 'api', { minAvailable: 1 });
    const gone = pods[0]?.metadata?.uid;
    await as('ospatch').evict('default', pods[0]?.metadata?.name ?? '');
    await waitForPods(
      plane,
      'default',
      'api',
      (now) => now.filter((pod) => isReady(pod.status?.conditions) && pod.metadata?.uid !== gone).length === 2,
    );
  });

  it('gives the user ospatch exactly the permissions of the manifest', async () => {
    const api = as('ospatch');
    expect((await api.list<V1Node>({ kind: 'Node' })).length).toBe(2);
    await api.patch({ kind: 'Node', name: 'w-1' }, { metadata: { annotations: { 'ospatch/baseline': '{}' } } });
    expect(await api.call('GET', '/readyz?verbose')).toContain('[+]etcd ok');
    const forbidden = [
      () => api.delete({ kind: 'Pod', name: 'any' }),
      () => api.delete({ kind: 'Node', name: 'w-1' }),
      () => api.patch({ kind: 'Node', name: 'w-1' }, { status: {} }, 'status'),
      () => api.create({ kind: 'Pod', metadata: { name: 'any' } }),
      () => api.call('GET', '/api/v1/namespaces/default/secrets'),
      () => api.call('GET', '/api/v1/namespaces'),
    ];
    for (const call of forbidden) expect(await rejection(call())).toMatchObject({ code: 403 });
    const other = api.patch({ kind: 'Node', name: 'w-1' }, { metadata: { annotations: { seen: 'yes' } } });
    expect(await rejection(other)).toMatchObject({ code: 422 });
  });

  it('rejects an expired and an unknown token', async () => {
    for (const name of ['expired', 'wrong'] as const) {
      expect(await rejection(as(name).list({ kind: 'Node' }))).toMatchObject({ code: 401 });
    }
  });

  it('simulates a node that stops reporting and returns with another boot id', async () => {
    const ready = (node: V1Node) => isReady(node.status?.conditions);
    await stopNode(plane, 'w-1');
    await waitForNode(plane, 'w-1', (node) => !ready(node));
    await bootNode(plane, 'w-1', 'b2');
    const node = await waitForNode(plane, 'w-1', ready);
    expect(node.status?.nodeInfo).toMatchObject({ machineID: 'm1', bootID: 'b2', osImage: 'Debian GNU/Linux 12' });
  });

  it('has pods of every kind that a drain distinguishes', async () => {
    const [daemon] = await addDaemonSet(plane, 'logs', { emptyDir: true });
    expect(daemon?.metadata?.ownerReferences?.[0]).toMatchObject({ kind: 'DaemonSet', name: 'logs' });
    const mirror = await addMirrorPod(plane, 'etcd', 'cp-1', 'etcd');
    expect(mirror.metadata?.annotations).toHaveProperty(['kubernetes.io/config.mirror']);
    expect((await addPod(plane, 'bare', { node: 'w-1' })).metadata?.ownerReferences).toBeUndefined();
    const [running] = await addJob(plane, 'running');
    expect(running?.status?.phase).toBe('Running');
    await addJob(plane, 'short', { annotations: { [COMPLETES_AFTER]: '100ms' } });
    await waitForPods(plane, 'default', 'short', (pods) => pods.every((pod) => pod.status?.phase === 'Succeeded'));
  });

  it('lets a pod use its grace period', async () => {
    await addPod(plane, 'slow', { node: 'w-1', annotations: { [TERMINATES_IN]: '1h' } });
    await plane.api.delete({ kind: 'Pod', name: 'slow' });
    await waitForPod(plane, 'default', 'slow', (pod: V1Pod) => pod.metadata?.deletionTimestamp !== undefined);
    await plane.api.delete({ kind: 'Pod', name: 'slow' }, 0);
    await waitFor(async () => (await plane.api.find({ kind: 'Pod', name: 'slow' })) === undefined, {
      what: 'the end of the pod',
    });
  });

  it('has a real kubectl that drains', async () => {
    await addNode(plane, 'w-2');
    await addPod(plane, 'lone', { node: 'w-2' });
    const { code, output } = await plane.kubectl('drain', 'w-2', '--dry-run=server', '--ignore-daemonsets', '--force');
    expect(output).toContain('evicting pod default/lone (server dry run)');
    expect(code).toBe(0);
  });

  it('keeps its data when the API server is killed', async () => {
    const nodes = (await plane.api.list<V1Node>({ kind: 'Node' })).length;
    await plane.killApiServer();
    await expect(plane.api.list({ kind: 'Node' })).rejects.toThrow(/ECONNREFUSED|ECONNRESET|EPIPE|socket hang up/);
    await plane.restartApiServer();
    expect((await plane.api.list<V1Node>({ kind: 'Node' })).length).toBe(nodes);
  });

  it('stops with the process that started it, and the next start removes the remains', async () => {
    const script = `
      require(${JSON.stringify(REGISTER)});
      require(${JSON.stringify(CONTROL_PLANE)}).startControlPlane().then((plane) => {
        console.log(plane.kubeconfigDir);
        setInterval(() => undefined, 1000);
      });`;
    const owner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const dir = path.dirname(line.toString().trim());
    const pids = processesOf(dir);
    expect(pids.length).toBe(5);
    owner.kill('SIGKILL');
    await waitFor(() => pids.every((pid) => processStartTime(pid) === undefined), { what: 'the end of all parts' });
    await (await startControlPlane()).stop();
    expect(existsSync(dir)).toBe(false);
  });
});

/** Processes of a control plane, by its directory, without the shells that supervise them. */
function processesOf(dir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = commandLine(pid);
      return words[0]?.includes('kube-parts-') === true && words.some((word) => word.includes(dir));
    });
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
