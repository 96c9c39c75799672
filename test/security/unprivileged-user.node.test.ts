import type { NodeFacts } from '../../src/domain/node/report';
import type { TransportPool } from '../../src/ssh/transport';
import type { LabNode } from '../../tools/lab/lab-node';
import type { LabPackage } from '../../tools/lab/packages';
import { patchRunner } from '../node/package-managers/patch-runner';
import type { ActivityRunner } from '../node/support';
import { ask, remoteNode, targetOf, until, useLab } from '../node/support';
import { sh } from '../support/sh';

jest.setTimeout(120_000);

const HOME = '/home/eve';
const CODE = '/usr/bin/lab-shared';

/** What a user without any rights does on a node so that nobody patches it. Each attack is one of the user's own programs. */
describe('src/node/helper against an unprivileged user of the node', () => {
  let node: LabNode;
  let pool: TransportPool;
  let activities: ActivityRunner;
  let release = 1;

  const shared = (): LabPackage => ({
    name: 'lab-shared',
    version: `1.${release}`,
    files: { '/usr/share/lab-shared': `${release}\n` },
  });

  useLab([{ name: 'shared', updates: 'none' }], async (started) => {
    ({ node, pool, activities } = started);
    await node.offer(shared());
    await sh(
      node,
      `useradd -m eve && apt-get -qq update && apt-get -qq -y install lab-shared >/dev/null 2>&1
      install -m 755 /usr/bin/sleep ${CODE}`,
    );
  });

  afterEach(() => ask(node, 'pkill -KILL -u eve; rm -rf /home/eve/*; true'));

  /** Starts a program as eve that stays, and waits until the program has said that it is in place. */
  async function asEve(script: string): Promise<void> {
    await sh(
      node,
      `rm -f ${HOME}/ready; cat >${HOME}/attack <<'ATTACK'
set -e
cd ${HOME}
${script}
touch ${HOME}/ready
sleep 3600
ATTACK
      setsid runuser -u eve -- bash ${HOME}/attack </dev/null >/root/attack.log 2>&1 &
      for i in $(seq 100); do [ -e ${HOME}/ready ] && exit 0; sleep 0.1; done; cat /root/attack.log >&2; exit 1`,
    );
  }

  const facts = async (): Promise<NodeFacts> => (await remoteNode(pool, targetOf(node)).facts()).facts;

  /** A perl program that stays with these files open. */
  const staysWith = (program: string): string =>
    `perl -e 'use Fcntl ":flock"; ${program}; open(R, ">", "up"); close(R); sleep 3600' & while [ ! -e up ]; do sleep 0.1; done`;

  test('processes named like reboot owners and updaters are nobody, and do not hide real ones', async () => {
    await asEve(`
      cp /bin/sleep kured; ./kured 3600 &
      cp /bin/sleep unattended-upgr
      for i in $(seq 40); do ./unattended-upgr 3600 & done
      perl -e '$0 = "a\\nkured"; open(C, ">", "/proc/self/comm"); print C "a\\nkured"; close(C); sleep 3600' &
      # A setuid program has the rights of root, and waits for whoever started it.
      mkdir setuid; ln -s /usr/bin/su setuid/dnf-automatic; sleep 3600 | setuid/dnf-automatic root &
      sleep 0.5`);
    expect(Number(await ask(node, 'pgrep -c "^(kured|unattended-upgr|dnf-automatic)$"'))).toBeGreaterThanOrEqual(42);
    expect(await facts()).toMatchObject({ rebootOwners: [], lockHolder: null });

    await sh(
      node,
      'for n in kured unattended-upgr; do install /bin/sleep /root/$n; setsid /root/$n 3601 </dev/null >/dev/null 2>&1 & done; sleep 0.3',
    );
    expect(await facts()).toMatchObject({
      rebootOwners: ['kured'],
      lockHolder: expect.stringMatching(/^unattended-upgr \(pid \d+\)$/),
    });
    await sh(node, 'pkill -f "^/root/(kured|unattended-upgr) 3601"');
  });

  test('a table of cron that names unattended-upgrades is no reboot owner, and a fifo in it stops nothing', async () => {
    await sh(
      node,
      `printf '#!/bin/sh\\n' >/usr/bin/unattended-upgrade; chmod 755 /usr/bin/unattended-upgrade
      echo 'Unattended-Upgrade::Automatic-Reboot "true";' >/etc/apt/apt.conf.d/99eve
      mkdir -p /var/spool/cron/crontabs; mkfifo -m 666 ${HOME}/fifo
      printf '@daily unattended-upgrade; reboot\\n@daily ${HOME}/fifo\\n' >/var/spool/cron/crontabs/eve; chown eve /var/spool/cron/crontabs/eve`,
    );
    const { rebootOwners, otherUpdaters, warnings } = await facts();
    expect({ rebootOwners, otherUpdaters, warnings }).toEqual({ rebootOwners: [], otherUpdaters: [], warnings: [] });
    await sh(node, 'rm /usr/bin/unattended-upgrade /etc/apt/apt.conf.d/99eve /var/spool/cron/crontabs/eve');
  });

  test('a lock of their own file beside an open descriptor of the package lock holds nobody', async () => {
    // O_PATH needs no right to read the file.
    await asEve(
      staysWith(
        'sysopen($path, "/var/lib/dpkg/lock-frontend", 0x200000) or die "O_PATH: $!"; open($own, ">", "lock"); flock($own, LOCK_EX) or die',
      ),
    );
    expect(await ask(node, 'ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c "/var/lib/dpkg/lock-frontend"')).toBe('1');
    expect((await facts()).lockHolder).toBeNull();
  });

  test('a lock on what everybody may read is taken from them, and a pid of theirs in a lock file too', async () => {
    await asEve(
      `${staysWith('open($f, "<", "/var/cache/debconf/config.dat") or die; flock($f, LOCK_EX) or die')}; echo $! >pid`,
    );
    await sh(node, `cp ${HOME}/pid /etc/passwd.lock`);
    const [before, owner] = [await ask(node, 'cat /var/cache/debconf/config.dat'), 'root 644'];
    await expect(sh(node, 'flock -n /var/cache/debconf/config.dat true')).rejects.toThrow();
    expect((await facts()).lockHolder).toBeNull();

    release += 1;
    await node.offer(shared());
    const run = await patchRunner(activities, node)();
    expect(await run.apply()).toMatchObject({ state: 'done', result: { error: null } });
    expect(await ask(node, 'cat /usr/share/lab-shared')).toBe(String(release));
    expect(await ask(node, 'cat /var/cache/debconf/config.dat')).toBe(before);
    expect(
      await ask(node, "stat -c '%U %a' /var/cache/debconf/config.dat; ls /etc/passwd.lock /var/cache/debconf/*.dat.*"),
    ).toBe(owner);
    await sh(node, 'flock -n /var/cache/debconf/config.dat true; pgrep -u eve perl');
  });

  test('outdated code of theirs is theirs, and names no service', async () => {
    await sh(
      node,
      `systemd-run -q --unit=cron --uid=eve ${CODE} 3600
      systemd-run -q --unit=lab-worker --uid=daemon ${CODE} 3600
      # Without pam_systemd, what a login leaves behind stays in the control group of sshd.
      setsid runuser -u eve -- ${CODE} 3600 </dev/null >/dev/null 2>&1 &
      for i in $(seq 50); do [ "$(pgrep -cx lab-shared)" = 3 ] && break; sleep 0.1; done
      install -m 755 /usr/bin/sleep ${CODE}.new && mv ${CODE}.new ${CODE}`,
    );
    const { outdated } = await facts();
    expect(outdated).toMatchObject({
      services: ['lab-worker.service'],
      processes: [],
      sessions: ['eve (lab-shared of cron.service)', 'eve (lab-shared of ssh.service)'],
    });
    await sh(node, 'systemctl stop cron lab-worker');
  });

  test('an inhibitor of theirs does not block a reboot', async () => {
    const { bootId } = await facts();
    await sh(
      node,
      `mkdir -p /run/systemd/inhibit; systemctl mask --runtime -q reboot.target
      printf '%s\\n' WHAT=shutdown MODE=block WHO=eve WHY=no UID=$(id -u eve) PID=1 >/run/systemd/inhibit/98
      set -- /usr/local/libexec/ospatch-node-*; "$1" reboot ${bootId}`,
    );
    await until('the request', async () => (await ask(node, 'cat /run/ospatch/reboot.rc')) !== '');
    expect(await ask(node, 'cat /run/ospatch/reboot.log')).toMatch(/^Call to Reboot failed/);
    await sh(node, 'rm /run/systemd/inhibit/98; systemctl unmask --runtime -q reboot.target');
  });

  test('a thousand processes and locks of theirs cost seconds', async () => {
    await asEve(`
      perl -e 'use Fcntl ":flock"; for $n (1..1000) { fork() or do { open($f, ">", "l$n"); flock($f, LOCK_EX); exec "sleep", "3600" } }'
      sleep 1`);
    const started = Date.now();
    expect(await facts()).toMatchObject({ rebootOwners: [], lockHolder: null, warnings: [] });
    expect(Date.now() - started).toBeLessThan(15_000);
  });
});
