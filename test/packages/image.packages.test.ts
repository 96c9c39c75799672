/** The OCI image: built without a daemon, pushed to a registry, pulled, unpacked and run. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun } from '../../src/dev/host';
import { freePorts } from '../../src/dev/ports';
import type { Bundle, Container } from '../support/container';
import { kubeletVolume, runContainer, startContainer } from '../support/container';
import type { TemporalServer } from '../support/local-stack';
import { startTemporalServer } from '../support/local-stack';
import { kubeletOptions, podOf, render } from '../support/helm';
import type { MadeReleases } from '../support/releases';
import { fileOf, findReleases } from '../support/releases';
import { runCli } from '../support/run-cli';
import { PAGER, SIGNING_KEY, startReceiver, workerTargets } from '../support/receiver';
import { specText } from '../support/spec-text';
import { waitFor } from '../support/wait-for';
import '../support/slow-suite';

const ROOT = path.join(__dirname, '../..');
const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** What a registry stores and a node fetches. */
const MAX_MIB = 90;
const USER = 65532;

const POLICY = `version: 1
rules:
  - { name: own, clusters: ['shop-*'], hosts: [127.0.0.1], ports: [1], users: [ospatch], identities: [id_ed25519], taskQueues: [ospatch] }
`;

/** What a shell in the image shows of what a worker needs besides its own files. */
const NEEDS = `cd /tmp
ssh-keygen -q -t ed25519 -N '' -f key && echo text >text && ssh-keygen -q -Y sign -f key -n test text && echo signed
node -p 'require("fs").readFileSync(process.env.SSL_CERT_FILE, "utf8").match(/BEGIN CERTIFICATE/g).length'
node -p 'new Date("2026-07-01T00:00:00Z").toLocaleString("en-GB", { timeZone: "Europe/Berlin" })'
node -p 'Intl.supportedValuesOf("timeZone").length'`;

let dir: string;
let archive: string;
let releases: MadeReleases;
let registry: ChildProcess;
let bundle: Bundle;
let server: TemporalServer;

async function startRegistry(port: number): Promise<ChildProcess> {
  const config = path.join(dir, 'registry.yml');
  const storage = path.join(dir, 'registry');
  mkdirSync(storage);
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: `127.0.0.1:${port}` },
    }),
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  await waitFor(
    () =>
      fetch(`http://127.0.0.1:${port}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
    { what: 'the registry' },
  );
  return child;
}

/** A cluster that is never reached: its node has a host key that somebody has confirmed. */
async function ownSpec(at: string): Promise<string> {
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(at, 'host')]);
  const [type, key] = readFileSync(path.join(at, 'host.pub'), 'utf8').split(' ');
  writeFileSync(path.join(at, 'known_hosts'), `[127.0.0.1]:1 ${type} ${key}\n`);
  const nodes = [{ name: 'w-1', host: '127.0.0.1', port: 1 }];
  return specText({ name: 'shop-own', patching: '{rebootIfRequired: false}', identity: 'id_ed25519', nodes });
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-oci-'));
  releases = await findReleases();
  archive = fileOf(releases.first, /\.oci\.tar$/);
  const [port = 0] = await freePorts(1);
  registry = await startRegistry(port);
  const remote = `docker://127.0.0.1:${port}/ospatch:${version}`;
  // A machine of developers may have no policy of signatures for images.
  const skopeo = ['--insecure-policy', 'copy', '--quiet'];
  await mustRun('skopeo', [...skopeo, '--dest-tls-verify=false', `oci-archive:${archive}`, remote]);
  const pulled = path.join(dir, 'pulled');
  await mustRun('skopeo', [...skopeo, '--src-tls-verify=false', remote, `oci:${pulled}:${version}`]);
  bundle = { directory: path.join(dir, 'bundle') };
  await mustRun('umoci', ['unpack', '--image', `${pulled}:${version}`, bundle.directory]);
  server = await startTemporalServer({ headless: true });
});

afterAll(async () => {
  await server?.stop();
  if (registry?.exitCode === null) {
    registry.kill();
    await once(registry, 'exit');
  }
  rmSync(dir, { recursive: true, force: true });
  releases?.close();
});

describe('scripts/build-image.sh', () => {
  it('makes an image that is small, says what it is, and has no rights', async () => {
    expect(statSync(archive).size / 2 ** 20).toBeLessThan(MAX_MIB);
    const config = JSON.parse(await mustRun('skopeo', ['inspect', '--config', `oci-archive:${archive}`])) as {
      config: { User: string; Labels: Record<string, string>; Cmd: string[] };
      rootfs: { diff_ids: string[] };
    };
    expect(config.config).toMatchObject({ User: `${USER}:${USER}`, Cmd: ['worker'] });
    expect(config.config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'ospatch',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
    expect(config.rootfs.diff_ids).toHaveLength(2);
    // As Docker loads it; Podman and containerd take the name from the annotation.
    const docker = JSON.parse(await mustRun('skopeo', ['inspect', `docker-archive:${archive}`])) as object;
    expect(docker).toMatchObject({ Labels: { 'org.opencontainers.image.version': version } });
    const index = JSON.parse(await mustRun('tar', ['-xOf', archive, './index.json'])) as {
      manifests: { annotations: Record<string, string> }[];
    };
    expect(index.manifests[0]?.annotations['io.containerd.image.name']).toBe(`localhost/ospatch:${version}`);
    // Nothing gives rights, and nobody but root may change a file of it.
    const found = await mustRun('find', [
      ...[path.join(bundle.directory, 'rootfs'), '-perm', '/6000', '-o', '-not', '-type', 'l'],
      ...['-perm', '/022', '-not', '-path', '*/tmp'],
    ]);
    expect(found).toBe('');
  });

  it('runs the commands of ospatch on a read-only file system', async () => {
    expect(await runContainer(bundle, { args: ['--version'] })).toEqual({ code: 0, output: `${version}\n` });
    const help = await runContainer(bundle, { args: ['worker', '--help'] });
    expect(help).toMatchObject({ code: 0, output: expect.stringContaining('Usage: ospatch worker') as string });
    const touched = await runContainer(bundle, {
      command: ['/bin/sh', '-c', '(: >/etc/ospatch/keys/x); : >/tmp/x && echo tmp'],
    });
    expect(touched.output).toMatch(/Read-only file system[^]*tmp\n$/);
    const ssh = await runContainer(bundle, { command: ['/usr/bin/ssh', '-V'] });
    expect(ssh).toMatchObject({ code: 0, output: expect.stringContaining('OpenSSH_') as string });
    const reached = await runContainer(bundle, {
      command: ['/usr/bin/ssh', '-o', 'BatchMode=yes', '-p', '1', '127.0.0.1'],
    });
    expect(reached.output).toContain('Connection refused');
    const needs = await runContainer(bundle, { command: ['/bin/sh', '-ec', NEEDS] });
    const [signed, authorities, summerTime, zones] = needs.output.split('\n');
    expect([signed, summerTime]).toEqual(['signed', '01/07/2026, 02:00:00']);
    expect(Number(authorities)).toBeGreaterThan(100);
    expect(Number(zones)).toBeGreaterThan(400);
  });

  it('trusts Secrets as a kubelet mounts them, and refuses what everybody may read', async () => {
    const script = `const { readTrusted } = require('/usr/lib/ospatch/lib/trusted-file');
      try { console.log(String(readTrusted('/etc/ospatch/keys/id_ed25519', { secret: true }))); }
      catch (error) { console.log(error.message); }`;
    const read = async (mode: number) => {
      const keys = kubeletVolume(dir, { id_ed25519: 'the key' }, { mode, fsGroup: USER });
      const command = ['/usr/bin/node', '-e', script];
      return (await runContainer(bundle, { command, volumes: { '/etc/ospatch/keys': keys }, fsGroup: USER })).output;
    };
    expect(await read(0o440)).toBe('the key\n');
    expect(await read(0o400)).toBe('the key\n');
    expect(await read(0o644)).toContain('can be read by everybody');
  });

  it('has a worker that answers with the arguments, environment and volumes of the chart, and ends on SIGTERM', async () => {
    const key = `${Buffer.alloc(32, 7).toString('base64')}\n`;
    const [metrics = 0] = await freePorts(1);
    const objects = await render(
      ...['--set', `temporal.address=${server.address}`, '--set', 'keys.existingSecret=keys'],
      ...['--set', 'encryption.existingSecret=encryption', '--set', 'encryption.required=true'],
      ...['--set-string', 'policy.inline=PLACEHOLDER', '--set', `metrics.port=${metrics}`],
      ...['--set', 'image.repository=localhost/ospatch', '--set', 'secrets.existingSecret=secrets'],
      ...['--set', 'notifications.existingConfigMap=targets', '--set', 'notifyPrograms.existingConfigMap=programs'],
    );
    const receiver = await startReceiver();
    const pod = podOf(objects, 'ospatch-worker-default');
    const contents = {
      keys: { id_ed25519: 'never used' },
      encryption: { '2026-11.key': key },
      'ospatch-policy': { 'policy.yaml': POLICY },
      secrets: { 'hook-key': SIGNING_KEY },
      targets: { 'notifications.yaml': workerTargets(receiver.url) },
      programs: { page: PAGER },
    };
    const worker: Container = startContainer(bundle, kubeletOptions(pod, contents, dir));
    const started = () => worker.output().includes('worker started') || worker.process.exitCode !== null;
    await waitFor(started, { what: 'the worker', timeoutMs: 120_000 });
    const probe = (name: string) => fetch(`http://127.0.0.1:${metrics}${name}`).then(({ status: code }) => code);
    expect([await probe('/healthz'), await probe('/readyz'), await probe('/metrics')]).toEqual([200, 200, 200]);
    const keys = path.join(dir, 'keys');
    mkdirSync(keys, { mode: 0o700 });
    writeFileSync(path.join(keys, '2026-11.key'), key, { mode: 0o600 });
    const spec = path.join(ROOT, 'examples/listed-only.yaml');
    const env = { TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: 'default', OSPATCH_ENCRYPTION_KEYS: keys };
    const mine = { env };
    const applied = await runCli(['apply', '-f', spec], mine);
    expect({ ...applied, log: worker.output() }).toMatchObject({ code: 0 });
    const status = await runCli(['status', 'shop-aks', '-o', 'json'], mine);
    expect(JSON.parse(status.stdout)).toMatchObject({ cluster: 'shop-aks' });
    // The targets, the secret and the program that are mounted.
    const own = path.join(dir, 'own.yaml');
    writeFileSync(own, await ownSpec(dir));
    expect(await runCli(['apply', '-f', own], mine)).toMatchObject({ code: 0 });
    const told = await runCli(['notify', 'test', 'shop-own'], mine);
    expect(told.stdout).toMatch(/hook \(of the worker\): delivered, [^]*pager \(of the worker\): delivered, /);
    expect(receiver.received).toEqual([
      expect.objectContaining({ signature: expect.stringMatching(/^v1,/) as string }),
    ]);
    // As `kubectl exec` starts it beside the worker.
    const beside = await runContainer(bundle, { ...kubeletOptions(pod, contents, dir), args: ['doctor'] });
    expect(beside.output).toContain('worker');
    expect(beside.output).not.toMatch(/error:|EROFS|read-only/i);
    await receiver.close();
    expect(worker.output()).not.toMatch(/cannot be created|there is no setting/);
    expect(await worker.stop()).toBe(0);
    expect(worker.output()).toContain('worker stopped');
    // The exporter has the same port, and reads what the cluster has published.
    const exporter = startContainer(bundle, kubeletOptions(podOf(objects, 'ospatch-exporter'), contents, dir));
    const page = () =>
      fetch(`http://127.0.0.1:${metrics}/metrics`).then(
        (answer) => answer.text(),
        () => '',
      );
    await waitFor(async () => (await page()).includes('cluster="shop-aks"'), { what: 'the cluster in the metrics' });
    await exporter.stop();
  });
});
