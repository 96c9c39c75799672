/** The Debian package on a real Debian: installed, used, upgraded and purged by apt, with a real Temporal server. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AT_BARRIER, barrierPackage, openBarrier } from '../support/barrier';
import '../support/slow-suite';
import { mustRun, runProgram } from '../../src/dev/host';
import { freePorts } from '../../src/dev/ports';
import { defined } from '../../src/domain/shared/defined';
import type { Lab, LabNode, TemporalServer } from '../support/local-stack';
import { createLab, slowPackage, startTemporalServer } from '../support/local-stack';
import { PAGER, SIGNING_KEY, startReceiver, workerTargets } from '../support/receiver';
import type { MadeReleases } from '../support/releases';
import { fileOf, findReleases } from '../support/releases';
import { runCli } from '../support/run-cli';
import { specText } from '../support/spec-text';
import type { TlsFront } from '../support/tls-front';
import { startTlsFront } from '../support/tls-front';
import { waitFor } from '../support/wait-for';

/** Building and fetching Node.js on a busy machine. */
const SLOW_MS = 900_000;
jest.setTimeout(SLOW_MS);

const UNIT = 'ospatch-worker.service';
const EXPORTER = 'ospatch-exporter.service';

const KUBECONFIG = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'prod',
  contexts: [{ name: 'prod', context: { cluster: 'prod', user: 'prod' } }],
  clusters: [{ name: 'prod', cluster: { server: 'https://127.0.0.1:1' } }],
  users: [{ name: 'prod', user: { token: 'a-token' } }],
});

let dir: string;
let deb: string;
let releases: MadeReleases;
let lab: Lab;
let server: TemporalServer;
/** The machine of the worker. */
let machine: LabNode;

/** Runs a command on the machine of the worker, which has to succeed. */
async function on(command: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(command);
  if (code !== 0) throw new Error(`${command}\nended with ${code}: ${stderr}${stdout}\n${await journal()}`);
  return `${stdout}${stderr}`;
}

async function journal(): Promise<string> {
  const { stdout } = await machine.exec(`journalctl --no-pager -n 60 -u ${UNIT}`);
  return stdout;
}

/** Puts settings below those that the package brings. */
function configure(...settings: string[]): void {
  const file = path.join(machine.rootDir, 'etc/ospatch/worker.env');
  const [shipped = ''] = readFileSync(file, 'utf8').split('\nTEMPORAL_ADDRESS=');
  writeFileSync(file, [shipped, `TEMPORAL_ADDRESS=${server.address}`, ...settings, ''].join('\n'));
}

/** A command of a person on that machine. */
function cli(command: string): string {
  return `cd /root && TEMPORAL_ADDRESS=${server.address} ospatch ${command}`;
}

async function property(name: string): Promise<string> {
  return (await on(`systemctl show -P ${name} ${UNIT}`)).trim();
}

/** The package as another version, which is what an upgrade sees. */
async function nextVersion(): Promise<string> {
  const tree = path.join(dir, 'next');
  await mustRun('dpkg-deb', ['--raw-extract', deb, tree]);
  const control = path.join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*/m, 'Version: 99.0.0'));
  appendFileSync(path.join(tree, 'etc/ospatch/worker.env'), '#OSPATCH_OF_THE_NEXT_VERSION=\n');
  const file = path.join(dir, 'ospatch_99.0.0.deb');
  await mustRun('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', tree, file]);
  return file;
}

function put(file: string): string {
  copyFileSync(file, path.join(machine.rootDir, 'root', path.basename(file)));
  return `/root/${path.basename(file)}`;
}

function installation(file: string): string {
  return `DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-unsafe-io install ${file}`;
}

/** Of a machine on which nobody answers questions: settings that were changed stay. */
function unattended(file: string): string {
  return installation(file).replace('apt-get', 'apt-get -o Dpkg::Options::=--force-confold');
}

/** The package of before in the place of the one that is installed. */
function reinstallation(): string {
  return `${unattended(`/root/${path.basename(deb)}`)} --reinstall --allow-downgrades`;
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-deb-'));
  releases = await findReleases();
  deb = fileOf(releases.first, /\.deb$/);
  [server, lab] = await Promise.all([
    startTemporalServer({ headless: true }),
    createLab({
      nodes: [
        { name: 'worker', suite: 'trixie', updates: 'none', archive: true },
        { name: 'w-1', updates: 'few' },
        { name: 'w-2', updates: 'none', labUpdates: [{ from: slowPackage('1', 0), to: slowPackage('2', 0) }] },
      ],
    }),
  ]);
  machine = lab.node('worker');
}, SLOW_MS);

afterAll(async () => {
  await Promise.all([lab?.stop(), server?.stop()]);
  releases?.close();
  rmSync(dir, { recursive: true });
});

describe('packages/deb', () => {
  test('has nothing that lintian objects to', async () => {
    const args = ['--allow-root', '--profile', 'debian', '--fail-on', 'error,warning', '--tag-display-limit', '0', deb];
    const { code, stdout } = await runProgram('lintian', args);
    expect([code, stdout]).toEqual([0, '']);
  });

  test('is installed by apt with what it needs, and the worker is not started before it is configured', async () => {
    await on('apt-get -qq update');
    const output = await on(installation(put(deb)));
    expect(output).toContain('The ospatch worker is installed, and not started before it is configured');
    expect(output).not.toMatch(/^(?:W|E|Failed|warning)/m);
    expect(await on('ospatch --version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await on(`systemctl is-enabled ${UNIT}; systemctl is-active ${UNIT}; true`)).toBe('disabled\ninactive\n');
    expect(await on("stat -c '%A %U:%G %n' /etc/ospatch/*")).toBe(
      [
        'drwxr-xr-x root:ospatch-worker /etc/ospatch/calendars',
        'drwxr-s--- root:ospatch-worker /etc/ospatch/encryption',
        'drwxr-xr-x root:ospatch-worker /etc/ospatch/hooks',
        'drwxr-s--- root:ospatch-worker /etc/ospatch/keys',
        'drwxr-s--- root:ospatch-worker /etc/ospatch/kubeconfigs',
        'drwxr-xr-x root:ospatch-worker /etc/ospatch/notify.d',
        'drwxr-s--- root:ospatch-worker /etc/ospatch/secrets',
        'drwxr-s--- root:ospatch-worker /etc/ospatch/temporal',
        '-rw-r----- root:root /etc/ospatch/worker.env',
        '',
      ].join('\n'),
    );
    expect(existsSync(path.join(machine.rootDir, 'usr/share/man/man1/ospatch-apply.1.gz'))).toBe(true);
    const load = '. /usr/share/bash-completion/completions/ospatch; COMP_WORDS=(ospatch sta); COMP_CWORD=1; _ospatch';
    expect(await on(`bash -c '${load}; echo "\${COMPREPLY[@]}"'`)).toBe('status\n');
  });

  test.each([UNIT, EXPORTER])('has a sandbox that systemd rates at 3.0 or better: %s', async (unit) => {
    const rated = await on(`systemd-analyze security --no-pager ${unit}`);
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(rated) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(3);
  });

  test('has all pages, whose links lead somewhere in the package', async () => {
    const doc = path.join(machine.rootDir, 'usr/share/doc/ospatch');
    const dead = readdirSync(doc, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .flatMap((name) => {
        const targets = readFileSync(path.join(doc, name), 'utf8').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g);
        const paths = [...targets].map(([, target = '']) => path.join(path.dirname(name), target));
        return paths.filter((target) => !existsSync(path.join(doc, target))).map((target) => `${name}: ${target}`);
      });
    expect(dead).toEqual([]);
  });

  test('says what is wrong with a setting, and is not started again and again', async () => {
    configure('OSPATCH_LOG_LEVEL=loud');
    expect((await machine.exec(`systemctl start ${UNIT}`)).code).not.toBe(0);
    expect(await property('Result')).toBe('exit-code');
    expect(await property('NRestarts')).toBe('0');
    expect(await journal()).toContain('OSPATCH_LOG_LEVEL: found "loud"; allowed: trace, debug');
    configure();
  });

  test('is ready when it polls, and refuses what no policy allows', async () => {
    configure();
    copyFileSync(path.join(lab.keyDir, lab.keyName), path.join(machine.rootDir, 'etc/ospatch/keys/lab'));
    await on('chown root:ospatch-worker /etc/ospatch/keys/lab; chmod 0640 /etc/ospatch/keys/lab');
    await on(`systemctl enable --now ${UNIT}`);
    expect(await property('ActiveState')).toBe('active');
    expect(await property('StatusText')).toBe('polls ospatch in default');
    expect(await journal()).toContain('"msg":"worker started"');
    await writeSpec('builtin');
    const refused = await machine.exec(cli('doctor -f lab-builtin.yaml'));
    expect(refused.code).not.toBe(0);
    expect(refused.stdout + refused.stderr).toContain('/etc/ospatch/policy.yaml');
  });

  test.each(['builtin', 'openssh'])('patches nodes out of its sandbox with the transport %s', async (transport) => {
    await writePolicy();
    await writeSpec(transport);
    await on(cli(`apply -f lab-${transport}.yaml`));
    expect(await on(cli(`patch lab-${transport} --wait`))).toContain('succeeded');
    await on(cli(`remove lab-${transport} --yes`));
  });

  test('reads certificates, secrets, kubeconfigs and programs from within its sandbox, and shows how it is', async () => {
    const receiver = await startReceiver();
    let front: TlsFront | undefined;
    const [port = 0] = await freePorts(1);
    try {
      const etc = path.join(machine.rootDir, 'etc/ospatch');
      writeFileSync(path.join(etc, 'notifications.yaml'), workerTargets(receiver.url));
      writeFileSync(path.join(etc, 'secrets/hook-key'), SIGNING_KEY);
      writeFileSync(path.join(etc, 'notify.d/page'), PAGER);
      writeFileSync(path.join(etc, 'kubeconfigs/prod'), KUBECONFIG);
      // As the pages tell; the directories have given the files their group.
      await on('cd /etc/ospatch; chmod 0640 secrets/hook-key kubeconfigs/prod; chmod 0755 notify.d/page');
      expect(await on("stat -c '%A %U:%G' /etc/ospatch/secrets/hook-key")).toBe('-rw-r----- root:ospatch-worker\n');
      await writePolicy('kubeconfigs: [{file: prod}], ');
      front = await startTlsFront(path.join(etc, 'temporal'), server.address);
      await on('cd /etc/ospatch/temporal; rm ca.key server.*; chmod 0640 tls.key');
      configure(
        `OSPATCH_METRICS=127.0.0.1:${port}`,
        `TEMPORAL_ADDRESS=${front.address}`,
        'TEMPORAL_TLS=true',
        'TEMPORAL_TLS_SERVER_NAME=temporal.internal',
        'TEMPORAL_TLS_SERVER_CA_CERT_PATH=/etc/ospatch/temporal/ca.crt',
        'TEMPORAL_TLS_CLIENT_CERT_PATH=/etc/ospatch/temporal/tls.crt',
        'TEMPORAL_TLS_CLIENT_KEY_PATH=/etc/ospatch/temporal/tls.key',
      );
      await on(`systemctl restart ${UNIT}`);
      expect(front.clients()).toBeGreaterThan(0);
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
      expect([ready.status, await ready.text()]).toEqual([200, 'ok\n']);
      await writeSpec('builtin', '{kubeconfig: prod}');
      await on(cli('apply -f lab-builtin.yaml'));
      const told = await on(cli('notify test lab-builtin'));
      expect(told).toMatch(/hook \(of the worker\): delivered, [^]*pager \(of the worker\): delivered, /);
      expect(receiver.received[0]?.signature).toMatch(/^v1,/);
      // The kubeconfig was read: only the API server, which is not there, is missed.
      expect((await machine.exec(cli('doctor -f lab-builtin.yaml'))).stdout).toContain(
        'the API server of kubeconfig prod is unreachable (ECONNREFUSED)',
      );
      expect(await journal()).not.toContain('there is no setting');
      await on(cli('remove lab-builtin --yes'));
    } finally {
      configure();
      await machine.exec(`systemctl restart ${UNIT}; rm /etc/ospatch/temporal/*`);
      await Promise.all([receiver.close(), front?.close()]);
    }
  });

  test('has an exporter that shows the clusters, as a user that reads no keys, and survives an upgrade', async () => {
    const [port = 0] = await freePorts(1);
    const up = () => waitFor(isUp, { what: 'the exporter' });
    const isUp = async () => {
      const page = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => null);
      return (await page?.text())?.includes('\nospatch_up 1\n') === true;
    };
    configure(`OSPATCH_EXPORTER_LISTEN=127.0.0.1:${port}`);
    await on(`systemctl enable --now ${EXPORTER}`);
    await up();
    const pid = (await on(`systemctl show -P MainPID ${EXPORTER}`)).trim();
    expect(await on(`ps -o user= -p ${pid}`)).not.toMatch(/^(?:root|ospatch-worker)\b/);
    expect(await on(`nsenter -t ${pid} -m ls /etc/ospatch/keys`)).toBe('');
    await on(reinstallation());
    await up();
    expect((await on(`systemctl show -P MainPID ${EXPORTER}`)).trim()).not.toBe(pid);
  });

  test('is ended and started again by the watchdog when it hangs', async () => {
    await on(`mkdir -p /run/systemd/system/${UNIT}.d`);
    await on(`printf '[Service]\\nWatchdogSec=5\\nRestartSec=0\\n' > /run/systemd/system/${UNIT}.d/quick.conf`);
    await on(`systemctl daemon-reload; systemctl restart ${UNIT}`);
    const before = await property('MainPID');
    await on(`kill -STOP ${before}`);
    await waitFor(async () => (await property('NRestarts')) !== '0', { what: 'the watchdog', timeoutMs: 120_000 });
    await waitFor(async () => (await property('ActiveState')) === 'active', { what: 'the worker' });
    expect(await property('MainPID')).not.toBe(before);
    await on(`rm -r /run/systemd/system/${UNIT}.d; systemctl daemon-reload; systemctl restart ${UNIT}`);
  });

  test('is upgraded while it patches a node, keeps the settings, and follows the transaction to its end', async () => {
    const node = lab.node('w-2');
    await node.offer(barrierPackage('3'));
    await writeSpec('builtin');
    await on(cli('apply -f lab-builtin.yaml'));
    const patched = runCli(['patch', 'lab-builtin', '--wait'], { env: { TEMPORAL_ADDRESS: server.address } });
    await waitFor(async () => (await node.exec(AT_BARRIER)).code === 0, {
      what: 'the transaction',
      timeoutMs: 120_000,
    });
    const before = await property('MainPID');
    const output = await on(unattended(put(await nextVersion())));
    openBarrier(node);
    expect(output).not.toContain('not started before it is configured');
    expect(await property('ActiveState')).toBe('active');
    expect(await property('MainPID')).not.toBe(before);
    expect(machine.readFile('etc/ospatch/worker.env')).toContain(`TEMPORAL_ADDRESS=${server.address}`);
    // The worker of before has handed over what it had.
    expect(await journal()).toMatch(/"msg":"worker stopped"[^]*"msg":"worker started"/);
    expect(await patched).toMatchObject({ code: 0, stdout: expect.stringContaining('succeeded') as string });
    expect(await node.exec('grep -c " upgrade lab-slow:all 2 3$" /var/log/dpkg.log')).toMatchObject({ stdout: '1\n' });
    await on(cli('remove lab-builtin --yes'));
  });

  test('waits for Temporal again after an upgrade that finds it waiting', async () => {
    configure('TEMPORAL_ADDRESS=127.0.0.1:1');
    await machine.exec(`systemctl restart ${UNIT}`);
    await on(reinstallation());
    expect(await on(`systemctl is-active ${UNIT}; true`)).toBe('activating\n');
    configure();
    await on(`systemctl restart ${UNIT}`);
  });

  test('stays stopped in an upgrade that finds it stopped', async () => {
    await on(`systemctl stop ${UNIT}`);
    await on(reinstallation());
    expect(await property('ActiveState')).toBe('inactive');
    expect(await property('Result')).toBe('success');
    await on(`systemctl start ${UNIT}`);
  });

  test('leaves nothing behind when it is purged but the files of people, which it names', async () => {
    const output = await on('DEBIAN_FRONTEND=noninteractive apt-get -y purge ospatch');
    expect(output).toContain('/etc/ospatch is kept');
    const left = await on(
      "find / -xdev -path /root -prune -o -name '*ospatch*' ! -path '/home/*' ! -path '/var/lib/ospatch/bin*' ! -path '/etc/sudoers.d/*' ! -path '/proc/*' ! -path '/sys/*' ! -path '/tmp/*' ! -path '/var/log/*' -print",
    );
    expect(left).toBe('/etc/ospatch\n');
    expect((await on('cd /etc/ospatch; find . -type f | sort')).split('\n')).toEqual([
      './keys/lab',
      './kubeconfigs/prod',
      './notifications.yaml',
      './notify.d/page',
      './policy.yaml',
      './secrets/hook-key',
      '',
    ]);
    expect(output).toContain('/etc/ospatch/keys/lab');
    for (const unit of [UNIT, EXPORTER]) expect((await machine.exec(`systemctl status ${unit}`)).code).toBe(4);
  });

  /** `more`: further fields of the only rule. */
  async function writePolicy(more = ''): Promise<void> {
    const ports = lab.nodes.map(({ port }) => port).join(', ');
    const rule = `{name: lab, clusters: ['lab-*'], hosts: [127.0.0.1], ports: [${ports}], users: [ospatch], identities: [lab], ${more}taskQueues: [ospatch]}`;
    await on(`cat > /etc/ospatch/policy.yaml <<'END'\nversion: 1\nrules:\n  - ${rule}\nEND`);
  }

  async function writeSpec(transport: string, kubernetes?: string): Promise<void> {
    const file = path.join(machine.rootDir, `root/lab-${transport}.yaml`);
    const nodes = [lab.node('w-1'), lab.node('w-2')];
    writeFileSync(
      file,
      specText({
        name: `lab-${transport}`,
        patching: '{rebootIfRequired: false}',
        identity: 'lab',
        nodes,
        ssh: `transport: ${transport}`,
        ...defined({ kubernetes }),
      }),
    );
    await on(cli(`enroll -f lab-${transport}.yaml --yes`));
  }
});
