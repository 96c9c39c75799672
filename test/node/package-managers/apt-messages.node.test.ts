import type { LabNode } from '../../../tools/lab/lab-node';
import { sh } from '../../support/sh';
import { ask } from '../support';
import { useAptNode } from './apt-node';
import { makeState, states } from './dpkg-states';
import type { PatchRunner } from './patch-runner';

jest.setTimeout(240_000);

const OLD = "installed st-a 1.0 ''";
const HOOK = '/etc/apt/apt.conf.d/10bugs';
const BUGS = `cat >/dev/null; echo 'critical bugs of st-a (1.0 -> 1.1) <Outstanding>'; echo ' b1 - #1 - st-a: eats data'
echo 'Summary:'; echo ' st-a(1 bug)'; echo '****** Exiting with an error in order to stop the installation. ******'; exit 1`;

interface Refusal {
  title: string;
  make: string;
  undo?: string;
  type: string;
  message: RegExp;
  remedy: RegExp;
}

/** Conditions that stop apt before any change. */
const REFUSALS: Refusal[] = [
  {
    title: "the scripts of both versions refuse, the old one's words first",
    make: `installed st-a 1.0 '' prerm 'echo cannot stop the daemon; exit 1'; mkpkg st-a 1.1 '' prerm 'echo me neither; exit 1'`,
    type: 'PackageManager',
    message: /was left unchanged \(cannot stop the daemon; old st-a package .* exit status 1; me neither; dpkg: error/,
    remedy: /patching\.packages\.exclude/,
  },
  {
    title: 'a preinst refuses',
    make: `${OLD}; mkpkg st-a 1.1 '' preinst 'echo this kernel is too old; exit 7'`,
    type: 'PackageManager',
    message: /\(this kernel is too old; .*st-a package pre-installation script .*exit status 7\)/,
    remedy: /correct what its script/,
  },
  {
    title: 'a preinst asks at the terminal',
    make: `${OLD}; mkpkg st-a 1.1 '' preinst 'echo Do you accept?; read answer </dev/tty'`,
    type: 'DecisionRequired',
    message: /asks a question, .*\(Do you accept\?; .*\/dev\/tty/,
    remedy: /debconf-set-selections/,
  },
  {
    title: 'two diversions clash',
    make: `${OLD}; dpkg-divert --local --divert /bin/lab.1 --add /bin/lab >/dev/null
      mkpkg st-a 1.1 '' preinst 'dpkg-divert --package st-a --rename --divert /bin/lab.2 --add /bin/lab'`,
    undo: 'dpkg-divert --local --remove /bin/lab',
    type: 'DecisionRequired',
    message:
      /diversions of the same file clash \(dpkg-divert: error: 'diversion of \/bin\/lab to \/bin\/lab\.2 by st-a' clashes/,
    remedy: /dpkg-divert --remove/,
  },
  {
    title: 'a statoverride names a user that is gone',
    make: `${OLD}; mkpkg st-a 1.1 ''; echo 'nosuchuser root 0755 /opt/st-a' >>/var/lib/dpkg/statoverride`,
    undo: "sed -i '/nosuchuser/d' /var/lib/dpkg/statoverride",
    type: 'PackageManager',
    message: /unknown system user 'nosuchuser' in statoverride file/,
    remedy: /dpkg-statoverride --remove/,
  },
  {
    title: 'a hook names bugs',
    make: `${OLD}; mkpkg st-a 1.1 ''; printf '#!/bin/sh\\n%s\\n' "${BUGS.replaceAll('"', '\\"')}" >/root/bugs; chmod 755 /root/bugs
      echo 'DPkg::Pre-Install-Pkgs {"/root/bugs";};' >${HOOK}`,
    undo: `rm ${HOOK}`,
    type: 'PackageManager',
    message: /a hook of apt has failed \(critical bugs of st-a .*; b1 - #1 - st-a: eats data; Exiting with an error/,
    remedy: /apt\.conf\.d/,
  },
  {
    title: '/boot is read-only',
    make: `mkdir -p /boot; mount -t tmpfs tmpfs /boot; ${OLD}; mkpkg st-a 1.1 '' preinst 'echo x >/boot/initrd.img'
      mount -o remount,ro /boot`,
    undo: 'umount /boot',
    type: 'Unhealthy',
    message: /a file system is read-only: \/boot /,
    remedy: /mount -o remount,rw \/boot/,
  },
];

const COPY = /cp -p \/var\/lib\/dpkg\/status-old \/var\/lib\/dpkg\/status/;
/** Damage of dpkg's status file, while its last copy is good. */
const DAMAGES: [string, string, RegExp, RegExp][] = [
  ['empty', ': >status', /status names no package/, COPY],
  ['gone', 'rm status', /status names no package/, COPY],
  [
    'cut in a stanza',
    'head -c 20000 status-old >status; printf "\\nPackage: x\\nSta" >>status',
    /parsing file .*status/,
    COPY,
  ],
  [
    'cut between two packages',
    "awk -v RS= -v ORS='\\n\\n' 'NR < 30' status-old >status",
    /status does not name \d+ packages whose files are installed/,
    COPY,
  ],
  [
    'damaged, with its copy',
    'mkdir -p /var/backups; mv status /var/backups/dpkg.status.0; echo x | tee status >status-old',
    /parsing file .*status/,
    /cp -p \/var\/backups\/dpkg\.status\.0 /,
  ],
];

describe('src/node/package-managers/apt: messages of rejections', () => {
  let node: LabNode;
  let patch: PatchRunner;

  useAptNode('words', (made) => ({ node, patch } = made));

  it.each(REFUSALS)('fails at once when $title', async ({ make, undo = ':', type, message, remedy }) => {
    await makeState(node, `${make}; index`);
    try {
      expect(await (await patch()).apply()).toMatchObject({
        result: {
          changes: [],
          error: { type, message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) },
        },
      });
      expect(await states(node)).toEqual(['ii st-a 1.0']);
    } finally {
      await sh(node, undo);
    }
  });

  it.each(DAMAGES)('names an intact copy when the status file of dpkg is %s', async (_, damage, message, remedy) => {
    await makeState(
      node,
      `${OLD}; mkpkg st-a 1.1 ''; index; cp -a /var/lib/dpkg /root/dpkg; cd /var/lib/dpkg; cp status status-old; ${damage}`,
    );
    try {
      await expect(patch()).rejects.toMatchObject({
        type: 'PackagesBroken',
        message: expect.stringMatching(message),
        remedy: expect.stringMatching(remedy),
      });
      expect(await ask(node, 'ls /var/lib/dpkg/info | grep -c "^bash.list"')).toBe('1');
    } finally {
      await sh(node, 'rm -rf /var/lib/dpkg /var/backups/dpkg.status.0; mv /root/dpkg /var/lib/dpkg');
    }
    expect((await patch()).changes).toEqual(['st-a 1.0 1.1']);
  });
});
