import { copyFileSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Lab } from '../../tools/lab/lab';
import type { LabNode } from '../../tools/lab/lab-node';
import type { LabPackage } from '../../tools/lab/packages';
import type { RestartReport } from '../../src/domain/node/report';
import { describeOutdated } from '../../src/domain/node/outdated-code';
import type { RestartPolicy } from '../../src/domain/spec/restart-policy';
import { sh } from '../support/sh';
import { patchRunner } from './package-managers/patch-runner';
import type { ActivityRunner } from './support';
import { useLab, targetOf, token, until } from './support';

const LIMIT_MS = 60_000;
const MULTIARCH = '/usr/lib/x86_64-linux-gnu';

jest.setTimeout(240_000);

/** Services on a library, an executable and a script that an update of their package replaces. */
describe('src/node/helper/services on a real node', () => {
  let lab: Lab;
  let activities: ActivityRunner;
  let node: LabNode;
  let release = 0;

  useLab(
    [
      { name: 'food', updates: 'none' },
      { name: 'runtime', updates: 'none', archive: true },
    ],
    async (started) => {
      ({ lab, node, activities } = started);
      await offerNext();
      await sh(node, 'apt-get -qq update && apt-get -qq -y install lab-food >/dev/null 2>&1');
      await unit('lab-lib', '/usr/bin/sleep infinity', 'Environment=LD_PRELOAD=/usr/lib/lab-food.so.1');
      await unit('lab-exe', '/usr/bin/lab-food infinity');
      await unit('lab-script', '/usr/bin/lab-script');
      await unit('lab-tmp', '/var/tmp/elsewhere infinity');
      await sh(node, 'cp /usr/bin/sleep /var/tmp/elsewhere; systemctl start lab-tmp; rm /var/tmp/elsewhere');
    },
  );

  beforeEach(async () => {
    await sh(node, 'rm -rf /etc/ospatch /etc/needrestart; systemctl restart lab-lib lab-exe lab-script');
  });

  /** Content of the package: copies of the node's own libc and sleep, and a script. */
  function contents(): Record<string, Buffer | string> {
    const file = (name: string): Buffer => readFileSync(path.join(node.rootDir, name));
    return {
      '/usr/lib/lab-food.so.1': file(`${MULTIARCH}/libutil.so.1`),
      '/usr/bin/lab-food': file('/usr/bin/sleep'),
      '/usr/bin/lab-script': `#!/bin/bash\n# ${release}\nwhile :; do sleep 1000; done\n`,
    };
  }

  async function offerNext(): Promise<void> {
    release += 1;
    const pkg: LabPackage = { name: 'lab-food', version: `1.${release}`, files: contents() };
    await node.offer(pkg);
  }

  async function unit(name: string, command: string, more = ''): Promise<void> {
    await sh(
      node,
      `printf '[Service]\\nExecStart=%s\\n%s\\n' '${command}' '${more}' >/etc/systemd/system/${name}.service; systemctl daemon-reload`,
    );
  }

  // The comparison of script and service has a resolution of a second.
  const letClocksTurn = () => sh(node, 'sleep 3');

  /** Publishes another version and applies that as a run. */
  async function update(): Promise<void> {
    await letClocksTurn();
    await offerNext();
    const run = await patchRunner(activities, node)();
    expect(run.changes).toEqual([`lab-food 1.${release - 1} 1.${release}`]);
    expect(await run.apply()).toMatchObject({ state: 'done', result: { error: null } });
  }

  /** The result of an update: other files under the same names, replaced the way dpkg does. */
  async function replace(more: Record<string, string> = {}): Promise<void> {
    await letClocksTurn();
    for (const [name, content] of Object.entries({ ...contents(), ...more })) {
      const place = path.join(node.rootDir, name);
      writeFileSync(`${place}.dpkg-new`, content, { mode: 0o755 });
      renameSync(`${place}.dpkg-new`, place);
    }
  }

  const facts = (on = node) => activities.run('readFacts', { target: targetOf(on), unreachableTimeoutMs: LIMIT_MS });

  async function outdated(on = node) {
    const { outdated: found } = await facts(on);
    if (found === undefined) throw new Error('the helper does not say');
    return found;
  }

  /** The first command of each warning about replaced code. */
  async function remedies(on = node): Promise<string[]> {
    const { warnings } = await facts(on);
    const remedies = warnings.map(({ kind, remedy }) => (kind === 'restart-pending' ? (remedy ?? '') : ''));
    return remedies.flatMap((remedy) => /`([^`]+)`/.exec(remedy)?.[1] ?? []);
  }

  async function blockers(): Promise<Record<string, string>> {
    const { blockers: found = [] } = await outdated();
    return Object.fromEntries(found.map(({ service, blocker }) => [service.replace('.service', ''), blocker]));
  }

  async function restart(policy: Partial<RestartPolicy> = {}, on = node, drained = false): Promise<RestartReport> {
    const outcome = await activities.run('restart', {
      target: targetOf(on),
      token: token(),
      attempt: 1,
      policy: { mode: 'auto', services: [], ignore: [], asReboot: false, ...policy },
      drained,
      lostTimeoutMs: LIMIT_MS,
    });
    if (outcome.state !== 'done') throw new Error(`the restart ended ${outcome.state}`);
    return outcome.result;
  }

  const ALL = ['lab-exe.service', 'lab-lib.service', 'lab-script.service'];
  const reasons = ({ skipped }: RestartReport) => Object.fromEntries(skipped.map(({ name, reason }) => [name, reason]));

  it('names nothing on a node whose processes are all newer than their files', async () => {
    expect(describeOutdated(await outdated())).toBe('');
  });

  it('names services on a replaced library, executable or script, and nothing outside of code directories', async () => {
    await update();
    expect(await outdated()).toEqual({ services: ALL, sessions: [], containers: [], processes: [] });
    // The restarted services run the new code.
    const pids = await sh(node, 'systemctl show -p MainPID --value lab-lib lab-exe lab-script');
    expect(await restart()).toEqual({ restarted: ALL, skipped: [], failed: [], error: null });
    expect(describeOutdated(await outdated())).toBe('');
    expect(await sh(node, 'systemctl show -p MainPID --value lab-lib lab-exe lab-script')).not.toBe(pids);
    expect(await sh(node, 'systemctl is-active lab-lib lab-exe lab-script')).toBe('active\nactive\nactive');
  });

  it('restarts listed services only, and ignored ones never', async () => {
    await replace();
    expect(await restart({ mode: 'listed', services: ['lab-l*', 'lab-exe'], ignore: ['lab-lib.service'] })).toEqual({
      restarted: ['lab-exe.service'],
      skipped: [
        { name: 'lab-lib.service', reason: 'patching.restartServices ignores it' },
        { name: 'lab-script.service', reason: 'not listed in patching.restartServices' },
      ],
      failed: [],
      error: null,
    });
    expect((await outdated()).services).toEqual(['lab-lib.service', 'lab-script.service']);
  });

  it('fails with the last output of a service that does not start', async () => {
    await replace({ '/usr/bin/lab-script': '#!/bin/bash\necho "no such database: food" >&2\nexit 7\n' });
    const report = await restart({ ignore: ['lab-lib', 'lab-exe'] });
    expect(report.restarted).toEqual([]);
    expect(report.error).toMatchObject({
      type: 'Unhealthy',
      message:
        'lab-script.service on food did not come up after its restart: it is failed (failed); output: no such database: food',
    });
    await replace();
    await sh(node, 'systemctl start lab-script');
  });

  it('fails a service that systemd restarts again and again', async () => {
    await sh(
      node,
      'mkdir -p /etc/systemd/system/lab-script.service.d && printf "[Service]\\nRestart=always\\nRestartSec=100ms\\n" >/etc/systemd/system/lab-script.service.d/a.conf',
    );
    await replace({ '/usr/bin/lab-script': '#!/bin/bash\nsleep 1.5\nexit 7\n' });
    expect((await restart({ ignore: ['lab-lib', 'lab-exe'] })).failed).toEqual([
      expect.objectContaining({
        name: 'lab-script.service',
        reason: expect.stringMatching(/was started again|activating/),
      }),
    ]);
    await sh(
      node,
      'rm -r /etc/systemd/system/lab-script.service.d; systemctl daemon-reload; systemctl stop lab-script',
    );
    await replace();
    await sh(node, 'systemctl reset-failed lab-script; systemctl start lab-script');
  });

  it("runs the administrator's program in place of a restart, and rejects a writable one", async () => {
    await replace();
    await sh(
      node,
      `mkdir -p /etc/ospatch/restart.d
       printf '#!/bin/sh\\necho by hand\\nexec systemctl kill lab-exe -s KILL\\n' >/etc/ospatch/restart.d/lab-exe.service
       printf '#!/bin/sh\\nsystemctl restart lab-lib && touch /run/lab-lib-by-program\\n' >/etc/ospatch/restart.d/lab-lib
       printf '#!/bin/sh\\n' >/etc/ospatch/restart.d/lab-script
       chmod 755 /etc/ospatch/restart.d/*; chmod 777 /etc/ospatch/restart.d/lab-script`,
    );
    const report = await restart();
    expect(report.restarted).toEqual(['lab-lib.service']);
    expect(reasons(report)).toEqual({
      'lab-script.service': '/etc/ospatch/restart.d/lab-script is not safe to run (owner, mode or a link)',
    });
    expect(report.failed.map(({ name }) => name)).toEqual(['lab-exe.service']);
    await sh(node, 'test -e /run/lab-lib-by-program; systemctl reset-failed lab-exe');
  });

  it("honours needrestart's configuration, also where needrestart is not installed", async () => {
    await replace();
    await sh(
      node,
      `mkdir -p /etc/needrestart/conf.d
       cat >/etc/needrestart/needrestart.conf <<'END'
$nrconf{override_rc} = { qr(^lab-lib) => 0, qr(^lab-exe) => 0 };
for my $fn (sort </etc/needrestart/conf.d/*.conf>) { eval do { local(@ARGV, $/) = $fn; <>}; die $@ if $@; }
END
       echo '$nrconf{override_rc}{qr(^lab-exe)} = 1;' >/etc/needrestart/conf.d/own.conf`,
    );
    const report = await restart({ ignore: ['lab-script'] });
    expect(report.restarted).toEqual(['lab-exe.service']);
    expect(reasons(report)).toMatchObject({ 'lab-lib.service': "needrestart's configuration leaves it alone" });
    // Root would run a file that others may write.
    await sh(node, 'chmod 666 /etc/needrestart/conf.d/own.conf');
    const unsafe = await restart();
    expect(unsafe.restarted).toEqual([]);
    expect(Object.keys(reasons(unsafe))).toEqual(['lab-lib.service', 'lab-script.service']);
  });

  it('never restarts a service that others depend on, or one that cannot be started again', async () => {
    await sh(
      node,
      `for name in dbus-broker mysql NetworkManager containerd; do
         printf '[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/run/systemd/system/$name.service
       done
       printf '[Unit]\\nRefuseManualStop=yes\\n[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/run/systemd/system/lab-refuses.service
       systemctl daemon-reload; systemctl start mysql NetworkManager containerd lab-refuses
       systemd-run -q --unit lab-transient /usr/bin/lab-food infinity`,
    );
    await replace();
    const left = ['NetworkManager', 'containerd', 'lab-refuses', 'lab-transient', 'mysql'].map(
      (name) => `${name}.service`,
    );
    const report = await restart();
    expect(report.restarted).toEqual(ALL);
    expect(Object.keys(reasons(report)).toSorted()).toEqual(left);
    expect((await outdated()).services.toSorted()).toEqual(left);
    expect(await blockers()).toEqual({
      NetworkManager: 'connection',
      containerd: 'runtime',
      'lab-refuses': 'refuses',
      'lab-transient': 'transient',
    });
    expect((await restart({ services: ['mysql'] })).restarted).toEqual(['mysql.service']);
    await sh(node, 'systemctl kill -s KILL lab-refuses; systemctl stop lab-transient mysql NetworkManager containerd');
  });

  it('leaves a service running that systemd could not start again, and reports the reason', async () => {
    await sh(
      node,
      `for name in lab-masked lab-gone lab-needs lab-broken; do
         printf '[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/usr/lib/systemd/system/$name.service
       done
       systemctl daemon-reload; systemctl start lab-masked lab-gone lab-needs lab-broken
       systemctl -q mask lab-masked; rm /usr/lib/systemd/system/lab-gone.service
       printf '[Unit]\\nRequires=lab-none.service\\nAfter=lab-none.service\\n[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/usr/lib/systemd/system/lab-needs.service
       printf '[Service]\\nExecStart=no/such\\n' >/usr/lib/systemd/system/lab-broken.service
       systemctl daemon-reload`,
    );
    await update();
    const before = await sh(node, 'systemctl show -p MainPID --value lab-masked lab-gone lab-needs lab-broken');
    const report = await restart({ ignore: ['lab-lib', 'lab-exe', 'lab-script'] });
    expect(report).toMatchObject({ restarted: [], failed: [], error: null });
    expect(reasons(report)).toMatchObject({
      'lab-masked.service': 'its unit is masked: systemd would not start it again',
      'lab-gone.service': 'its unit file is gone: systemd could not start it again',
      'lab-needs.service': expect.stringContaining('systemd would not restart it: '),
      'lab-broken.service': expect.stringContaining('systemd'),
    });
    expect(await sh(node, 'systemctl show -p MainPID --value lab-masked lab-gone lab-needs lab-broken')).toBe(before);
    expect(await blockers()).toEqual({ 'lab-masked': 'masked', 'lab-gone': 'gone', 'lab-broken': 'unreadable' });
    await sh(
      node,
      'systemctl stop lab-masked lab-gone lab-needs lab-broken; systemctl -q unmask lab-masked; rm -f /usr/lib/systemd/system/lab-{masked,gone,needs,broken}.service; systemctl daemon-reload',
    );
  });

  it('gives the command that loads the new code of each process', async () => {
    await sh(
      node,
      `for name in lab-masked lab-masked-now lab-gone; do
         printf '[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/usr/lib/systemd/system/$name.service
       done
       printf '[Service]\\nKillMode=process\\nExecStart=/bin/sh -c "/usr/bin/lab-food 5000 & exec sleep infinity"\\n' >/usr/lib/systemd/system/lab-left.service
       printf '[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >'/usr/lib/systemd/system/lab-a\\x2db@.service'
       systemctl daemon-reload; systemctl start lab-masked lab-masked-now lab-gone lab-left 'lab-a\\x2db@1'
       systemctl -q mask lab-masked; systemctl -q mask --runtime lab-masked-now
       rm /usr/lib/systemd/system/lab-gone.service; systemctl daemon-reload`,
    );
    await replace();
    expect(await blockers()).toEqual({
      'lab-masked': 'masked',
      'lab-masked-now': 'masked-runtime',
      'lab-gone': 'gone',
      'lab-left': 'left',
    });
    expect(reasons(await restart({ ignore: ['lab-exe', 'lab-lib', 'lab-script', 'lab-a*'] }))).toMatchObject({
      'lab-left.service': 'a restart does not end the processes that are left of it',
    });
    // A command lists the first names only.
    for (let rounds = 0; rounds < 3; rounds += 1) for (const command of await remedies()) await sh(node, command);
    expect(describeOutdated(await outdated())).toBe('');
    expect(await sh(node, "systemctl is-active lab-left 'lab-a\\x2db@1' lab-exe")).toBe('active\nactive\nactive');
    await sh(
      node,
      `systemctl -q unmask lab-masked; systemctl -q unmask --runtime lab-masked-now; systemctl stop lab-left 'lab-a\\x2db@1'
       pkill -x lab-food; rm /usr/lib/systemd/system/lab-*; systemctl daemon-reload; systemctl start lab-exe`,
    );
  });

  it("names a user's login and a process without a service, but not its own login", async () => {
    await sh(
      node,
      'systemd-run -q --scope --unit lab-scope sh -c "/usr/bin/lab-food infinity >/dev/null 2>&1 &" >/dev/null 2>&1',
    );
    const other = node.exec('su ospatch -c "exec /usr/bin/lab-food 1000"').catch(() => undefined);
    await until('the other login runs', async () => (await sh(node, 'pgrep -xc lab-food || true')) === '3');
    await replace();
    expect(await outdated()).toMatchObject({ processes: ['lab-food of lab-scope.scope'] });
    await sh(node, 'pkill -x lab-food; systemctl start lab-exe');
    await other;
  });

  it('reports code that only a reboot reloads as a reason to reboot', async () => {
    const library = readdirSync(path.join(node.rootDir, MULTIARCH)).find((name) => name.startsWith('libdbus-1.so.3.'));
    if (library === undefined) throw new Error('no libdbus');
    const place = path.join(node.rootDir, MULTIARCH, library);
    copyFileSync(place, `${place}.new`);
    await sh(node, `mv ${MULTIARCH}/${library}.new ${MULTIARCH}/${library}`);
    expect((await facts()).reboot.reasons).toEqual([
      'dbus.service runs code that was replaced, and only a reboot starts it anew',
    ]);
    expect(reasons(await restart())).toMatchObject({ 'dbus.service': 'only a reboot starts it anew' });
  });

  describe('with a container runtime and a lingering user', () => {
    let runtime: LabNode;
    const pid = () => sh(runtime, 'systemctl show -p MainPID --value containerd');

    beforeAll(async () => {
      runtime = lab.node('runtime');
      await sh(
        runtime,
        `apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install \\
           containerd libpam-systemd dbus-user-session >/dev/null 2>&1
         useradd -m alice && loginctl enable-linger alice
         mkdir -p ~alice/.config/systemd/user
         printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' >~alice/.config/systemd/user/web.service
         chown -R alice ~alice/.config`,
      );
      await until('the manager of the user runs', async () =>
        (await sh(runtime, 'systemctl --user -M alice@ start web && echo yes || true')).endsWith('yes'),
      );
      await sh(runtime, `cd ${MULTIARCH} && cp libc.so.6 libc.new && mv libc.new libc.so.6`);
    });

    it('restarts the runtime only while the node is drained', async () => {
      const before = await pid();
      const found = await outdated(runtime);
      expect(found.blockers).toContainEqual({ service: 'containerd.service', blocker: 'runtime' });
      expect(reasons(await restart({}, runtime))).toMatchObject({
        'containerd.service': 'pods and containers depend on it; restarted while the node is drained by ospatch',
      });
      expect(reasons(await restart({ mode: 'listed', services: ['containerd'] }, runtime))).toMatchObject({
        'containerd.service': expect.stringContaining('pods and containers'),
      });
      expect(await pid()).toBe(before);
      expect((await restart({}, runtime, true)).restarted).toEqual(['containerd.service']);
      expect(await pid()).not.toBe(before);
      expect((await outdated(runtime)).services).not.toContain('containerd.service');
    });

    it('names services of users, and the commands to restart them', async () => {
      expect((await outdated(runtime)).userServices).toEqual(
        expect.arrayContaining(['systemd of alice', 'web.service of alice']),
      );
      const commands = (await remedies(runtime)).filter((command) => command.includes('alice'));
      expect(commands).toHaveLength(2);
      for (const command of commands) await sh(runtime, command);
      expect((await outdated(runtime)).userServices).toBeUndefined();
    });
  });
});
