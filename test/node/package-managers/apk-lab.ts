/** A lab node that passes for Alpine: no systemd to be seen, busybox for the tools, and a stand-in for apk. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../src/dev/lab/lab-node';
import { WAIT_AT_GATE, openGate } from '../../support/gate';
import { pretendToBe } from './rpm-lab';
import { sh } from '../../support/sh';

/** What the helper calls, and what scripts of packages may call. */
const APPLETS =
  'awk cat cut date df find grep head ln ls mkdir mktemp mv readlink rm sed setsid sha256sum sort stat sync tail timeout touch tr uname uniq';

/** The flock of Debian with no more than the one of busybox can, which Debian's busybox lacks. */
const FLOCK = `#!/bin/sh
case $1 in -w) echo 'flock: unrecognized option: w' >&2; exit 1 ;; esac
exec /usr/bin/flock "$@"
`;

/**
 * Not apk: prints what apk-tools 2.14.10 was seen to print, takes the same lock, and moves the versions in the database.
 * /srv/newest holds `name version` lines; the transaction lasts until the gate is open.
 */
const APK = `#!/bin/sh
db=/lib/apk/db/installed
case $1 in --print-arch) echo x86_64; exit ;; esac
command='' simulate=no ignored=' '
while [ $# -gt 0 ]; do
  case $1 in
    --wait | --cache-max-age) shift ;;
    --simulate) simulate=yes ;;
    --ignore) shift; ignored=" $* "; break ;;
    update | upgrade | version | fix) command=$1; [ "$1" != version ] || break ;;
  esac
  shift
done
pending() {
  awk '/^P:/ { n = substr($0, 3) } /^V:/ { print n, substr($0, 3) }' $db | while read -r name old; do
    new=$(sed -n "s/^$name //p" /srv/newest)
    [ -n "$new" ] && [ "$new" != "$old" ] || continue
    case "$ignored" in *" $name "*) ;; *) echo "$name $old $new" ;; esac
  done
}
case $command in
  update) echo 'v3.20.4-1-gabcdef [/srv/repo]'; echo 'OK: 15 distinct packages available'; exit ;;
  version)
    if [ "$2" = --indexes ]; then echo 'v3.20.4-1-gabcdef [/srv/repo]'; exit; fi
    echo 'Installed:                                Available:'
    pending | while read -r name old new; do echo "$name-$old < $new"; done
    exit ;;
esac
if [ $simulate = no ]; then
  exec 8>>/lib/apk/db/lock
  /usr/bin/flock -n 8 || { echo 'Waiting for repository lock'; echo 'ERROR: Unable to lock database: Interrupted system call'; exit 99; }
fi
pending >/tmp/apk.$$
total=$(grep -c . /tmp/apk.$$)
while read -r name old new; do
  number=$((number + 1))
  echo "($number/$total) Upgrading $name ($old -> $new)"
done </tmp/apk.$$
if [ $simulate = no ] && [ "$total" -gt 0 ]; then
  echo "$command" >>/srv/transactions
  { ${WAIT_AT_GATE}; } 8>&-
  while read -r name old new; do
    awk -v name="$name" -v new="$new" '/^P:/ { hit = $0 == "P:" name } /^V:/ && hit { $0 = "V:" new } { print }' $db >$db.new
    mv $db.new $db
  done </tmp/apk.$$
fi
rm -f /tmp/apk.$$
echo 'OK: 0 MiB in 3 packages'
`;

/** By its full path, because Debian's busybox looks for a program in itself first. */
export const REBOOT_COMMAND = 'lab-reboot';
const REBOOT = '#!/bin/sh\necho reboot >>/srv/reboots\nsleep 600\n';

export async function pretendToBeAlpine(node: LabNode): Promise<void> {
  const install = 'DEBIAN_FRONTEND=noninteractive apt-get install -qq -y busybox-static';
  await sh(
    node,
    `{ ${install} || { apt-get update -qq && ${install}; }; } >/tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }`,
  );
  pretendToBe(node, { ID: 'alpine', VERSION_ID: '3.20.3', PRETTY_NAME: 'Alpine Linux v3.20' });
  for (const [file, text] of Object.entries({ flock: FLOCK, apk: APK })) {
    await sh(node, `rm -f /usr/sbin/${file}`);
    writeFileSync(path.join(node.rootDir, 'usr/sbin', file), text, { mode: 0o755 });
  }
  openGate(node);
  await sh(node, 'mkdir -p /etc/ospatch/commands');
  writeFileSync(path.join(node.rootDir, 'etc/ospatch/commands', REBOOT_COMMAND), REBOOT, { mode: 0o755 });
  // The shell of the helper is busybox's too: what lies at /bin/sh is replaced without a change of the file itself.
  await sh(
    node,
    `for applet in ${APPLETS}; do ln -sf /bin/busybox /usr/sbin/$applet; done
      mkdir -p /lib/apk/db /etc/apk /srv && touch /lib/apk/db/lock
      rm /usr/bin/systemctl /usr/bin/systemd-run
      mount --bind /bin/busybox /usr/bin/dash && mount -t tmpfs none /run/systemd`,
  );
}

/** Sets what is installed and what the repository offers, as versions by name. */
export async function offer(node: LabNode, installed: Record<string, string>, newest: Record<string, string>) {
  const records = Object.entries(installed).map(([name, version]) => `P:${name}\nV:${version}\nA:x86_64\n\n`);
  await sh(node, 'rm -f /srv/transactions');
  writeFileSync(path.join(node.rootDir, 'usr/lib/apk/db/installed'), records.join(''));
  writeFileSync(
    path.join(node.rootDir, 'srv/newest'),
    Object.entries(newest)
      .map(([name, version]) => `${name} ${version}\n`)
      .join(''),
  );
}
