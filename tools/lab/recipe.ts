/**
 * What the machines of the lab are made of: a real Debian with real pending updates. The digest of everything here
 * names the cached images, so that a change of the recipe builds new ones.
 */
import { createHash } from 'node:crypto';

/** Raised when the way images or lab packages are made changes without a change in this file. */
const RECIPE_VERSION = 1;

/** The Debian releases that nodes can be made of. */
export const LAB_SUITES = ['bullseye', 'bookworm', 'trixie', 'sid'] as const;
export type LabSuite = (typeof LAB_SUITES)[number];

/** The Debian release of a node that asks for none. */
export const LAB_SUITE: LabSuite = 'bookworm';

/** From 256 on systemd starts in a unified control group hierarchy only, whatever the host has. */
export const UNIFIED_CGROUP_SUITES: readonly LabSuite[] = ['trixie', 'sid'];

/** Pending updates move on with the archive; images older than this are built again. */
export const IMAGE_MAX_AGE_MS = 7 * 24 * 3600 * 1000;

export const BASE_PACKAGES = ['openssh-server', 'systemd', 'systemd-sysv', 'dbus', 'sudo', 'ca-certificates'];

/**
 * Units that would act on their own at random moments: the apt timers take package locks, the others cost time. They
 * are masked, so that only ospatch touches the packages of a lab node.
 */
const MASKED_UNITS = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'console-getty.service',
];

/** Fewest pending updates of a fresh image. Right after a point release the archive has none, so some are made. */
export const MIN_PENDING = 8;

/** Packages that are put back to an older version when the archive offers fewer updates than that. */
export const STAND_INS = [
  'netbase',
  'sensible-utils',
  'hostname',
  'mawk',
  'readline-common',
  'gzip',
  'sed',
  'ncurses-bin',
];

/** Real updates that remain with `updates: 'few'`. */
export const FEW_UPDATES = 3;

export interface Mirror {
  /** Address of the Debian archive. */
  main: string;
  /** Address of the security archive. */
  security: string;
  /** Proxy for apt, when this machine uses one. */
  proxy?: string;
}

export function aptSources(mirror: Mirror, suite: LabSuite): string {
  const released = [`deb ${mirror.main} ${suite}-updates main`, `deb ${mirror.security} ${suite}-security main`];
  return [`deb ${mirror.main} ${suite} main`, ...(suite === 'sid' ? [] : released), ''].join('\n');
}

export function aptConfig(mirror: Mirror, suite: LabSuite): string {
  const proxy = mirror.proxy === undefined ? '' : `Acquire::http::Proxy "${mirror.proxy}";\n`;
  // The lists of sid end after a week, those of a release that has ended are signed no more; mirrors keep both for longer.
  const ended = suite === 'sid' || suite === 'bullseye' ? 'Acquire::Check-Valid-Until "false";\n' : '';
  return `Acquire::Languages "none";\n${proxy}${ended}`;
}

/** Runs inside the fresh base image. */
export const CONFIGURE_BASE = `
set -e
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/hostname
: >/etc/machine-id
useradd --create-home --shell /bin/bash ospatch
echo 'ospatch ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ospatch
chmod 0440 /etc/sudoers.d/ospatch
install -d -m 0700 /root/.ssh
install -d -m 0700 -o ospatch -g ospatch /home/ospatch/.ssh
for unit in ${MASKED_UNITS.join(' ')}; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
apt-get -qq update
apt-get clean
`;

/** Runs inside an image: downloads what is pending, so that nodes need not ask the mirror for it again and again. */
export const PRELOAD_UPDATES = `
set -e
apt-get -qq -y --download-only dist-upgrade
`;

/** Runs inside an image with the number of updates to leave (0 = none) in LEAVE: the smallest stay pending. */
export const APPLY_UPDATES = `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ "$LEAVE" -gt 0 ]; then
  kept=$(cd /var/cache/apt/archives && apt-get -qq -s dist-upgrade | sed -n 's/^Inst \\([^ ]*\\) .*/\\1/p' |
    while read -r name; do
      set -- "$name"_*.deb
      [ -e "$1" ] && echo "$(stat -c %s "$1") $name"
    done | sort -n | head -n "$LEAVE" | cut -d' ' -f2)
  # shellcheck disable=SC2086
  apt-mark -qq hold $kept
fi
apt-get -qq -y --no-download -o Dpkg::Options::=--force-unsafe-io dist-upgrade
if [ "$LEAVE" -gt 0 ]; then
  # shellcheck disable=SC2086
  apt-mark -qq unhold $kept
else
  apt-get clean
fi
`;

/** Managers of the rpm family that Debian has, dnf5 in sid only; they cannot be on one machine with all their parts. */
export const RPM_PACKAGES = {
  dnf: ['rpm', 'createrepo-c', 'dnf', 'dnf-plugins-core'],
  dnf5: ['rpm', 'createrepo-c', 'dnf5'],
  zypper: ['rpm', 'createrepo-c', 'zypper'],
} as const;
export type RpmManager = keyof typeof RPM_PACKAGES;

/** Installs the packages in TOOLS; what is downloaded for it does not stay in the image. */
const ADD_TOOLS = `
set -e
export DEBIAN_FRONTEND=noninteractive
mkdir -p /var/tmp/debs/partial
add() {
  # shellcheck disable=SC2086
  apt-get -qq -y --no-install-recommends -o Dir::Cache::Archives=/var/tmp/debs -o Dpkg::Options::=--force-unsafe-io install $TOOLS
}
add || { apt-get -qq update && add; }
rm -r /var/tmp/debs
`;

/** The tools everything on a node stands on, where they are not those of every Debian. */
export interface Userland {
  /** What /usr/bin/sudo is; sudo-rs from trixie on. */
  sudo?: 'sudo-rs';
  /** uutils takes the place of GNU's coreutils, as Ubuntu has it; busybox stands before all tools that it can be. */
  coreutils?: 'uutils' | 'busybox';
  /** What /bin/sh is; default dash. */
  shell?: 'bash' | 'busybox';
}

const USERLAND_PACKAGES: Record<string, string> = {
  'sudo-rs': 'sudo-rs',
  uutils: 'rust-coreutils',
  busybox: 'busybox',
  bash: 'bash',
};

/** The packages of a userland. */
export function userlandPackages(userland: Userland): string[] {
  return [...new Set(Object.values(userland).map((tool: string) => USERLAND_PACKAGES[tool] ?? tool))];
}

/**
 * Runs inside an image with SUDO, COREUTILS and SHELL_TOOL, each empty for Debian's own. What dpkg itself calls (tar, gzip)
 * stays: busybox has none that dpkg could work with.
 */
export const USE_USERLAND = `
${ADD_TOOLS}
if [ -n "$SHELL_TOOL" ]; then ln -sf "$(command -v "$SHELL_TOOL")" /bin/sh; fi
if [ "$SUDO" = sudo-rs ]; then
  dpkg-divert --quiet --local --rename --divert /usr/bin/sudo.ws --add /usr/bin/sudo
  ln -s sudo-rs /usr/bin/sudo
fi
case $COREUTILS in
  uutils)
    for tool in /usr/lib/cargo/bin/coreutils/*; do
      name=\${tool##*/}
      [ -e "/usr/bin/$name" ] || continue
      dpkg-divert --quiet --local --rename --divert "/usr/bin/gnu$name" --add "/usr/bin/$name" 2>/dev/null
      /usr/bin/coreutils ln -s "../lib/cargo/bin/coreutils/$name" "/usr/bin/$name"
    done
    ;;
  busybox)
    also=' awk sed grep egrep fgrep find xargs flock which hostname uname '
    for name in $(busybox --list); do
      case $also in *" $name "*) ;; *) dpkg -L coreutils | grep -qx "/.*bin/$name" || continue ;; esac
      [ -e "/usr/sbin/$name" ] || ln -s "$(command -v busybox)" "/usr/sbin/$name"
    done
    ;;
esac
`;

/** Runs inside an image, with the packages in TOOLS. The database lies where systems of the rpm family have it. */
export const ADD_RPM = `${ADD_TOOLS}
for unit in dnf-makecache.timer dnf-makecache.service; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
# Debian switches it on; it adds a repository of its own that needs a key.
for file in /etc/dnf/plugins/local.conf /etc/dnf/libdnf5-plugins/local.conf; do
  [ ! -e "$file" ] || sed -i 's/^enabled *=.*/enabled = false/' "$file"
done
mkdir -p /etc/rpm /var/lib/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
rpm --initdb
`;

/** Digest over the recipe, the release and the mirror: 12 hex characters. */
export function recipeDigest(mirror: Mirror, suite: LabSuite): string {
  const parts = [
    RECIPE_VERSION,
    suite,
    BASE_PACKAGES,
    MIN_PENDING,
    STAND_INS,
    FEW_UPDATES,
    aptSources(mirror, suite),
    aptConfig(mirror, suite),
    CONFIGURE_BASE,
    PRELOAD_UPDATES,
    APPLY_UPDATES,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}
