/**
 * A real Kubernetes control plane on 127.0.0.1, for tests of everything that does not need a kubelet: etcd,
 * kube-apiserver, kube-controller-manager and kube-scheduler, with kwok playing the kubelets. Needs no root.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { Log } from '../../src/dev/host';
import { sleep } from '../../src/dev/host';
import { freePorts } from '../../src/dev/ports';
import { writeKubeconfig } from './credentials';
import { KubeApi } from './kube-api';
import { kubectlIn } from './kubectl';
import type { Part } from './part';
import { startPart } from './part';
import { findControlPlaneProgram } from './program';
import { newRunDir } from './run-dir';
import { STAGES } from './stages';
import type { Kubeconfigs } from './users';
import { makeUsers } from './users';

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;

export interface ControlPlaneOptions {
  /** Receives progress in plain words; default silent. */
  log?: Log;
  /** Further flags of kube-apiserver. */
  apiServerFlags?: string[];
  /** Further flags of kube-controller-manager. */
  controllerManagerFlags?: string[];
}

export interface ControlPlane {
  /** `https://127.0.0.1:port`; the same after a restart. */
  server: string;
  /** As the administrator. */
  api: KubeApi;
  /** Directory of {@link kubeconfigs}. */
  kubeconfigDir: string;
  /** Paths. */
  kubeconfigs: Kubeconfigs;
  /** The real `kubectl drain`, `cordon` and `uncordon`, as the administrator. Returns what it printed on both streams. */
  kubectl(...args: string[]): Promise<{ code: number; output: string }>;
  /** As a crash would. */
  killApiServer(): Promise<void>;
  /** Kills the API server if it runs, starts it again at the same address and waits until it answers. */
  restartApiServer(): Promise<void>;
  /** Ends and removes everything. */
  stop(): Promise<void>;
}

/** Starts everything and waits until it answers (3 to 5 s). It ends with this process, at the latest. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const program = await findControlPlaneProgram(options.log ?? (() => undefined));
  const dir = newRunDir();
  const parts = new Map<string, Part>();
  const stop = async () => {
    // The API server goes before its database, so that it does not wait for it.
    for (const name of ['kube-apiserver', 'etcd']) await parts.get(name)?.kill9();
    await Promise.all([...parts.values()].map((part) => part.kill9()));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const { api, startApiServer } = await launch(program, dir, parts, options);
    const kubeconfigDir = path.join(dir, 'kubeconfigs');
    mkdirSync(kubeconfigDir);
    const signingKey = readFileSync(path.join(dir, 'sa.key'), 'utf8');
    const admin = writeKubeconfig(kubeconfigDir, 'admin', api.options);
    const kubeconfigs = { admin, ...(await makeUsers(api, kubeconfigDir, signingKey)) };
    return {
      server: api.options.server,
      api,
      kubeconfigDir,
      kubeconfigs,
      kubectl: kubectlIn(program, admin),
      async killApiServer() {
        await parts.get('kube-apiserver')?.kill9();
      },
      async restartApiServer() {
        await parts.get('kube-apiserver')?.kill9();
        parts.set('kube-apiserver', startApiServer());
        // The connections of the old one end in errors of calls that have nothing to do with the restart.
        const fresh = new KubeApi(api.options);
        await untilReady(fresh, parts).finally(() => fresh.close());
      },
      async stop() {
        api.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launch(program: string, dir: string, parts: Map<string, Part>, options: ControlPlaneOptions) {
  const [etcdPort, peerPort, apiPort] = await freePorts(3);
  const token = randomBytes(16).toString('hex');
  const file = (name: string) => path.join(dir, name);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs1', format: 'pem' });
  writeFileSync(file('sa.key'), key, { mode: 0o600 });
  writeFileSync(file('tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  writeFileSync(file('stages.yaml'), STAGES);

  const start = (name: string, args: string[]) => {
    const part = startPart(program, name, args, dir);
    parts.set(name, part);
    return part;
  };
  const etcd = `http://127.0.0.1:${etcdPort}`;
  start('etcd', [
    ...['--data-dir', file('etcd'), '--listen-client-urls', etcd, '--advertise-client-urls', etcd],
    ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`, '--unsafe-no-fsync', '--log-level', 'warn'],
  ]);
  const startApiServer = () =>
    start('kube-apiserver', [
      ...['--etcd-servers', etcd, '--bind-address', '127.0.0.1', '--secure-port', String(apiPort)],
      ...['--cert-dir', dir, '--token-auth-file', file('tokens.csv'), '--authorization-mode', 'RBAC'],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-cluster-ip-range', '10.0.0.0/24'],
      ...['--service-account-key-file', file('sa.key'), '--service-account-signing-key-file', file('sa.key')],
      // Pods of the tests have no service account of their own.
      ...['--disable-admission-plugins', 'ServiceAccount', ...(options.apiServerFlags ?? [])],
    ]);
  startApiServer();

  // The server makes its own certificate, and writes beside it the authority that signed it.
  const certificate = file('apiserver.crt');
  await waitUntil(() => existsSync(certificate) && existsSync(file('apiserver.key')), parts, 'a certificate');
  const server = `https://127.0.0.1:${apiPort}`;
  const access = { server, ca: readFileSync(certificate, 'utf8'), token };
  const kubeconfig = writeKubeconfig(dir, 'internal', access);
  const api = new KubeApi(access);
  await untilReady(api, parts);
  start('kube-controller-manager', [
    // Nodes here do not tell every few seconds that they live.
    ...['--node-monitor-grace-period', '1h'],
    ...['--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port', '0'],
    ...['--service-account-private-key-file', file('sa.key'), ...(options.controllerManagerFlags ?? [])],
  ]);
  start('kube-scheduler', ['--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port', '0']);
  start('kwok', ['--kubeconfig', kubeconfig, '--manage-all-nodes=true', '--config', file('stages.yaml')]);
  return { api, startApiServer };
}

async function untilReady(api: KubeApi, parts: Map<string, Part>): Promise<void> {
  const ready = () =>
    api.call('GET', '/readyz').then(
      () => true,
      () => false,
    );
  await waitUntil(ready, parts, 'an answer of the API server');
}

async function waitUntil(done: () => boolean | Promise<boolean>, parts: Map<string, Part>, what: string) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await done())) {
    const ended = [...parts.values()].find((part) => part.hasEnded());
    if (ended !== undefined) throw new Error(`${ended.name} ended at once:\n${ended.lastWords()}`);
    if (Date.now() > deadline) throw new Error(`waited ${READY_TIMEOUT_MS / 1000} s in vain for ${what}`);
    await sleep(READY_POLL_MS);
  }
}
