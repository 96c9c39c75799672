/** Package databases after a power cut or a kill, made on a node with the real dpkg. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import { sh } from '../../support/sh';

const LIB = '/var/lib/lab/states.sh';

/**
 * Shell functions. `mkpkg NAME VERSION [FIELDS [SCRIPT TEXT]...]` builds into $to (default: the archive), `index`
 * publishes them, `killed COMMAND` runs a command until a maintainer script reaches `$HANG`, then kills all its processes.
 */
const FUNCTIONS = `
R=/var/lib/lab/states
HANG='[ ! -e /run/hang ] || { touch /run/hung; sleep 600; }'
mkdir -p $R /root/away
mkpkg() {
  d=$(mktemp -d); chmod 755 $d; mkdir -p $d/DEBIAN $d/opt/$1; echo "$1 $2" >$d/opt/$1/file
  printf 'Package: %s\\nVersion: %s\\nArchitecture: %s\\nMaintainer: Lab <lab@example.com>\\n%bDescription: lab\\n' \\
    "$1" "$2" "\${arch:-all}" "\${3:-}" >$d/DEBIAN/control
  f=$d/DEBIAN; shift 3
  while [ $# -gt 1 ]; do
    if [ $1 = triggers ]; then echo "$2" >$f/triggers
    elif [ $1 = conffile ]; then mkdir -p $d/etc; echo x >$d$2; echo $2 >$f/conffiles
    else printf '#!/bin/sh\\nset -e\\n%s\\n' "$2" >$f/$1; chmod 755 $f/$1; fi
    shift 2
  done
  dpkg-deb --root-owner-group -b $d "\${to:-$R}" >/dev/null; rm -r $d
}
index() { (
  cd $R; : >Packages
  for f in *.deb; do
    [ -e $f ] || continue
    dpkg-deb -f $f; printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' $f $(stat -c %s $f) $(sha256sum $f | cut -c1-64)
  done >Packages
  { printf "\${1:-Origin: Lab\\nLabel: Lab\\nSuite: lab\\n}"
    printf 'Date: %s\\nSHA256:\\n %s %s Packages\\n' "$(LC_ALL=C date -Ru)" $(sha256sum Packages | cut -c1-64) $(stat -c %s Packages); } >Release
  apt-get -qq update
) }
killed() {
  rm -f /run/hung; touch /run/hang
  "$@" >/run/cut.log 2>&1 &
  until [ -e /run/hung ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
  [ -e /run/hung ] || { cat /run/cut.log; exit 1; }
  pkill -9 -x apt-get; pkill -9 -x dpkg; pkill -9 -f 'info/st-|tmp.ci'; pkill -9 -x sleep; wait; rm /run/hang
}
fresh() {
  rm -f /run/hang $R/*.deb /root/away/*.deb /var/cache/apt/archives/st-* /var/lib/dpkg/updates/* /var/lib/ospatch/lost-lists /var/lib/apt/lists/*states*
  for p in $(dpkg-query -W -f='\${Package}\\n' 'st-*' 2>/dev/null); do
    rm -f /var/lib/dpkg/info/$p.*; dpkg --force-all --purge $p >/dev/null 2>&1
  done
}
# installed NAME VERSION ARGS...: installs it; the archive has it too.
installed() { mkpkg "$@"; dpkg --force-unsafe-io -i $R/$1_*.deb >/dev/null 2>&1; }
gone() { mv $R/$1 /root/away/; index; }
`;

export function prepareStates(node: LabNode): void {
  mkdirSync(path.join(node.rootDir, 'var/lib/lab'), { recursive: true });
  writeFileSync(path.join(node.rootDir, LIB), FUNCTIONS);
  writeFileSync(
    path.join(node.rootDir, 'etc/apt/sources.list.d/states.list'),
    'deb [trusted=yes] file:/var/lib/lab/states ./\n',
  );
}

/** Runs `steps` after the remains of the previous state are removed. */
export async function makeState(node: LabNode, steps: string): Promise<void> {
  await sh(node, `. ${LIB}; fresh\n${steps}`);
}

/** States of all test packages, as `ii st-a 1.1`, sorted. */
export async function states(node: LabNode): Promise<string[]> {
  const { stdout } = await node.exec(
    `dpkg-query -W -f='\${db:Status-Abbrev}|\${Package} \${Version}\\n' 'st-*' | sed 's/ *|/ /'`,
  );
  return stdout.split('\n').filter(Boolean).sort();
}
