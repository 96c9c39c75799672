import type { LabNode } from '../../tools/lab/lab-node';
import type { TransportPool } from '../../src/ssh/transport';
import { sh } from '../support/sh';
import { useLab, remoteNode, targetOf } from './support';

jest.setTimeout(120_000);

const TIMER = '[Timer]\\nOnCalendar=yearly\\n[Install]\\nWantedBy=timers.target\\n';

const startTimer = (name: string): string =>
  `rm -f /etc/systemd/system/${name}; printf '${TIMER}' >/etc/systemd/system/${name} && systemctl daemon-reload && systemctl start ${name}`;

const stopTimer = (name: string): string =>
  `systemctl stop ${name} && rm /etc/systemd/system/${name} && systemctl daemon-reload`;

const aptSettings = (text: string): string => `printf '${text}' >/etc/apt/apt.conf.d/99owners`;

/** Debian with its own apt-config and systemd; unattended-upgrades is a program without effect. */
describe('src/node/helper/updaters on a real node', () => {
  let pool: TransportPool;
  let node: LabNode;

  useLab([{ name: 'owners', updates: 'none' }], async (started) => {
    ({ node, pool } = started);
    await sh(node, `printf '#!/bin/sh\\n' >/usr/bin/unattended-upgrade && chmod 755 /usr/bin/unattended-upgrade`);
  });

  async function others() {
    const { facts } = await remoteNode(pool, targetOf(node)).facts();
    const schedules = facts.warnings.filter(({ kind }) => kind === 'other-updaters');
    return {
      updaters: facts.otherUpdaters,
      owners: facts.rebootOwners,
      schedules: schedules.map(({ message }) => message.split(' reboots')[0]),
      running: facts.lockHolder,
    };
  }

  const NOBODY = { updaters: [], owners: [], schedules: [], running: null };

  test('finds no updater on a fresh Debian', async () => {
    expect(await others()).toEqual(NOBODY);
  });

  const INTERVAL = 'APT::Periodic::Unattended-Upgrade';
  const REBOOT = 'Unattended-Upgrade::Automatic-Reboot';
  const UPDATES = { ...NOBODY, updaters: ['unattended-upgrades'] };
  const REBOOTS = { ...UPDATES, owners: ['unattended-upgrades with Automatic-Reboot'] };

  test.each([
    [`${INTERVAL} "always"; ${REBOOT} "True";`, REBOOTS],
    [`${INTERVAL} "1d"; ${REBOOT} "yes";`, REBOOTS],
    [`apt::periodic::unattended-upgrade "24h"; unattended-upgrade { automatic-reboot "ENABLE"; };`, REBOOTS],
    [`${INTERVAL} "1"; ${REBOOT} "on";`, REBOOTS],
    [`${INTERVAL} "1"; ${REBOOT} "1";`, REBOOTS],
    [`${INTERVAL} "1"; ${REBOOT} "no";`, UPDATES],
    [`${INTERVAL} "1";`, UPDATES],
    [`${INTERVAL} "0"; ${REBOOT} "true";`, NOBODY],
    [`APT::Periodic::Enable "0"; ${INTERVAL} "always"; ${REBOOT} "true";`, NOBODY],
  ])('evaluates %s like apt', async (settings, expected) => {
    await sh(node, `${aptSettings(settings.replaceAll('"', '\\"'))}; ${startTimer('apt-daily-upgrade.timer')}`);
    expect(await others()).toEqual(expected);
  });

  test('counts unattended-upgrades without a timer when cron starts the service', async () => {
    await sh(
      node,
      `${stopTimer('apt-daily-upgrade.timer')}; ${aptSettings(`${REBOOT} \\"true\\";`)}
      echo '5 4 * * * root /usr/bin/unattended-upgrade -v' >/etc/cron.d/nightly`,
    );
    expect(await others()).toEqual({
      ...NOBODY,
      updaters: ['unattended-upgrades by cron (/etc/cron.d/nightly)'],
      owners: REBOOTS.owners,
    });
    await sh(node, 'rm /etc/cron.d/nightly /etc/apt/apt.conf.d/99owners');
  });

  test.each([
    [
      'a line of cron',
      "echo '0 3 * * * root apt-get -qq update && apt-get -y dist-upgrade' >/etc/cron.d/patch",
      'cron (/etc/cron.d/patch)',
    ],
    [
      'options with values',
      "echo '0 3 * * * root apt-get -o Dpkg::Options::=--force-confold -y upgrade' >/etc/cron.d/patch",
      'cron (/etc/cron.d/patch)',
    ],
    [
      'a script that cron starts',
      "mkdir -p /opt/it && printf '#!/bin/bash\\nset -e\\ndnf -y update\\n' >/opt/it/patch.sh && echo '0 3 * * * root [ -x /opt/it/patch.sh ] && /opt/it/patch.sh >/dev/null' >/etc/cron.d/patch",
      'cron (/etc/cron.d/patch)',
    ],
    [
      'a script in a directory of cron',
      "mkdir -p /etc/cron.weekly && printf '#!/bin/sh\\nzypper --non-interactive patch\\n' >/etc/cron.weekly/it && chmod 755 /etc/cron.weekly/it",
      'cron (/etc/cron.weekly/it)',
    ],
    [
      "root's own crontab",
      "mkdir -p /var/spool/cron/crontabs && echo '@daily apk upgrade -U' >/var/spool/cron/crontabs/root",
      'cron (/var/spool/cron/crontabs/root)',
    ],
    [
      'a timer of its own',
      `printf '[Service]\\nExecStart=/usr/bin/apt-get -y full-upgrade\\n' >/etc/systemd/system/it.service; ${startTimer('it.timer')}`,
      'it.timer',
    ],
    [
      'an offline update',
      'ln -s /var/lib/x /system-update',
      'an offline update that waits for the next boot (/system-update)',
    ],
  ])('names an updater: %s', async (_, command, name) => {
    await sh(node, command);
    expect(await others()).toEqual({ ...NOBODY, updaters: [name] });
    await sh(
      node,
      `rm -f /etc/cron.d/patch /etc/cron.weekly/it /var/spool/cron/crontabs/root /system-update
      [ ! -e /etc/systemd/system/it.timer ] || { ${stopTimer('it.timer')}; rm /etc/systemd/system/it.service; }`,
    );
  });

  test.each([
    ['[commands]\napply_updates = yes\nreboot = when-needed\n', ['dnf-automatic'], ['dnf-automatic with reboot']],
    ['[commands]\nApply_Updates: True\nreboot: When-Changed\n', ['dnf-automatic'], ['dnf-automatic with reboot']],
    ['[commands]\napply_updates=1\n# reboot = when-needed\n', ['dnf-automatic'], []],
    ['[commands]\napply_updates = no\nreboot = when-needed\n', [], []],
    ['[emitters]\napply_updates = yes\n', [], []],
  ])('evaluates dnf-automatic like its own parser: %j', async (text, updaters, owners) => {
    await sh(
      node,
      `mkdir -p /etc/dnf; cat >/etc/dnf/automatic.conf <<'EOF'\n${text}EOF
printf '[Service]\nExecStart=/bin/true\n' >/etc/systemd/system/dnf-automatic.service
${startTimer('dnf-automatic.timer')}`,
    );
    expect(await others()).toEqual({ ...NOBODY, updaters, owners });
    await sh(node, `${stopTimer('dnf-automatic.timer')}; rm /etc/dnf/automatic.conf`);
  });

  test('ignores programs that only check, only download or are commented out', async () => {
    const lines = [
      '1 1 * * * root apt-get -qq update',
      '1 1 * * * root apt-get -s dist-upgrade | mail -s updates ops@example.com',
      '1 1 * * * root apt-get --download-only -y upgrade',
      '#1 1 * * * root apt-get -y upgrade',
      '1 1 * * * root /usr/local/bin/report --on upgrade',
      '1 1 * * * root echo done # apt-get -y upgrade by hand',
    ];
    await sh(node, `cat >/etc/cron.d/looks <<'EOF'\n${lines.join('\n')}\nEOF`);
    expect(await others()).toEqual(NOBODY);
    await sh(node, 'rm /etc/cron.d/looks');
  });

  test('warns of a scheduled reboot and names its source', async () => {
    await sh(node, "echo '0 4 * * 0 root /sbin/shutdown -r +5' >/etc/cron.d/weekly-reboot");
    expect(await others()).toEqual({ ...NOBODY, schedules: ['cron (/etc/cron.d/weekly-reboot)'] });
    await sh(node, 'rm /etc/cron.d/weekly-reboot');
  });

  test('waits for a running updater, also while that updater holds no lock', async () => {
    await sh(
      node,
      'cp /bin/sleep /usr/bin/unattended-upgr && { setsid unattended-upgr 300 </dev/null >/dev/null 2>&1 & }',
    );
    expect((await others()).running).toMatch(/^unattended-upgr \(pid \d+\)$/);
    await sh(node, 'pkill -x unattended-upgr; rm /usr/bin/unattended-upgr');
  });
});
