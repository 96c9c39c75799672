import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

import type { ControlPlane } from '../../../tools/kube/control-plane';
import { startControlPlane } from '../../../tools/kube/control-plane';
import { addNode } from '../../support/kube-objects';

const BUILT = path.join(__dirname, '../../../lib/kubernetes/client/connections.js');

/** The place where a kubelet mounts a service account, in a private mount namespace. */
const IN_A_POD = `
  mount -t tmpfs tmpfs /run
  mkdir -p /run/secrets/kubernetes.io/serviceaccount
  mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount
  shift
  exec "$@"`;

/** Lists the nodes for each line of input. */
const ASKS = `
  const { createConnections } = require(${JSON.stringify(BUILT)});
  const connections = createConnections({ kubeconfigDir: '/nowhere' });
  const api = connections.api({ kubeconfig: 'in-cluster' }, new AbortController().signal);
  require('node:readline').createInterface({ input: process.stdin }).on('line', () =>
    api.listNodes().then(
      (nodes) => console.log(JSON.stringify(nodes.map(({ name }) => name))),
      ({ kind, message }) => console.log(JSON.stringify({ kind, message })),
    ),
  );`;

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot('src/kubernetes/client/kubeconfig: a worker that runs as a pod', () => {
  let plane: ControlPlane;
  let account: string;
  let pod: ChildProcess;
  let answers: AsyncIterator<string>;

  beforeAll(async () => {
    plane = await startControlPlane();
    await addNode(plane, 'w-1');
    account = mkdtempSync(path.join(tmpdir(), 'ospatch-account-'));
    writeFileSync(path.join(account, 'ca.crt'), plane.api.options.ca);
    const { hostname, port } = new URL(plane.server);
    pod = spawn('unshare', ['-m', 'sh', '-ec', IN_A_POD, 'sh', account, process.execPath, '-e', ASKS], {
      env: { ...process.env, KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (pod.stdout === null) throw new Error('it has no output');
    answers = createInterface({ input: pod.stdout })[Symbol.asyncIterator]();
  });

  afterAll(async () => {
    if (pod.exitCode === null) {
      pod.kill('SIGKILL');
      await once(pod, 'exit');
    }
    rmSync(account, { recursive: true, force: true });
    await plane.stop();
  });

  async function ask(): Promise<unknown> {
    pod.stdin?.write('\n');
    const { value } = (await answers.next()) as { value: string };
    return JSON.parse(value);
  }

  function giveToken(name: keyof ControlPlane['kubeconfigs']): void {
    const config = JSON.parse(readFileSync(plane.kubeconfigs[name], 'utf8')) as {
      users: { user: { token: string } }[];
    };
    writeFileSync(path.join(account, 'token'), config.users[0]?.user.token ?? '');
  }

  it('uses the service account of the pod, and each rotated token at once', async () => {
    expect(await ask()).toMatchObject({
      kind: 'credentials',
      message: expect.stringMatching(/serviceaccount\/token does not exist/) as string,
    });
    giveToken('expired');
    expect(await ask()).toMatchObject({
      kind: 'credentials',
      message: expect.stringContaining(
        'does not accept the credentials of the service account of the worker',
      ) as string,
    });
    giveToken('ospatch');
    expect(await ask()).toEqual(['w-1']);
    giveToken('wrong');
    expect(await ask()).toMatchObject({ kind: 'credentials' });
    giveToken('ospatch');
    expect(await ask()).toEqual(['w-1']);
  });
});
