/** Which systems and node states can be patched, and the errors for the others. Reads, never changes. */
import { OspatchError } from '../domain/shared/errors';
import type { IgnoredRebootOwner } from '../domain/node/reboot-owners';
import { findBlockers } from '../domain/node/blockers';
import type { FactsReading } from './facts';
import { isSupportedManager } from './package-managers';

/**
 * Ids in os-release with display names. A derivative that is not listed uses release names of its own, which the check
 * for the same release does not cover.
 */
const PATCHED_SYSTEMS: ReadonlyMap<string, string> = new Map([
  ['debian', 'Debian'],
  ['ubuntu', 'Ubuntu'],
  ['rhel', 'RHEL'],
  ['rocky', 'Rocky Linux'],
  ['almalinux', 'AlmaLinux'],
  ['centos', 'CentOS Stream'],
  ['ol', 'Oracle Linux'],
  ['fedora', 'Fedora'],
  ['amzn', 'Amazon Linux'],
  ['sles', 'SLES'],
  ['sles_sap', 'SLES for SAP'],
  ['opensuse-leap', 'openSUSE Leap'],
  ['alpine', 'Alpine'],
]);

const SUPPORTED = `supported are ${[...PATCHED_SYSTEMS.values()].join(', ')}; take the node out of the spec`;

/** Rolling releases, which have no patch versions. */
const ROLLING = /^(?:arch|opensuse-tumbleweed|opensuse-slowroll|gentoo|void|kali)$/;

interface ImageBasedSystem {
  matches: (id: string, variant: string) => boolean;
  name: string;
  hint: string;
}

const IMAGE_BASED: readonly ImageBasedSystem[] = [
  {
    matches: (id) => id === 'flatcar',
    name: 'Flatcar',
    hint: 'it updates itself by update_engine; manage reboots with FLUO',
  },
  {
    matches: (id) => id === 'bottlerocket',
    name: 'Bottlerocket',
    hint: 'use `apiclient update` or the Bottlerocket update operator',
  },
  {
    matches: (id) => id === 'cos',
    name: 'Container-Optimized OS',
    hint: 'it updates itself; replace the node by one with a newer image',
  },
  { matches: (id) => id === 'talos', name: 'Talos', hint: 'use `talosctl upgrade`' },
  { matches: (id) => id === 'rhcos', name: 'RHCOS', hint: 'OpenShift updates it with the cluster' },
  {
    matches: (id, variant) => id === 'fedora' && variant === 'coreos',
    name: 'Fedora CoreOS',
    hint: 'it updates itself by Zincati',
  },
  {
    matches: (id) => /microos|sle-micro|sl-micro|leap-micro/.test(id),
    name: 'MicroOS',
    hint: 'use `transactional-update`',
  },
];

/** @throws OspatchError `UnsupportedOs` */
export function assertSupported(node: string, reading: FactsReading): void {
  const { facts, variant, imageBased } = reading;
  const { os, packageManager } = facts;
  const name = os.prettyName || os.id || 'an unknown operating system';
  const image = imageBasedSystem(os.id, variant);
  if (image !== undefined)
    throw unsupported(`${node} runs ${image.name}, an image-based system without packages to patch`, image.hint);
  if (imageBased !== null) {
    throw unsupported(`${node} runs ${name}, an image-based system (${imageBased})`, 'update it with its own tool');
  }
  if (packageManager === 'yum') {
    throw unsupported(
      `${node} runs ${name}: yum is not supported, because package jobs need systemd 236 or newer`,
      'replace the node by one with a newer release, or take it out of the spec',
    );
  }
  // Alpine edge has a date after the number.
  if (ROLLING.test(os.id) || (os.id === 'alpine' && !/^\d+\.\d+\.\d+$/.test(os.versionId))) {
    throw unsupported(`${node} runs ${name}, a rolling release without patch versions`, 'use a stable release');
  }
  if (!PATCHED_SYSTEMS.has(os.id)) throw unsupported(`${node} runs ${name}, which is not supported`, SUPPORTED);
  if (!isSupportedManager(packageManager)) {
    const why = packageManager === '' ? 'no known package manager' : `its package manager ${packageManager} is unknown`;
    throw unsupported(`${node} runs ${name}: ${why}`, SUPPORTED);
  }
  if (os.versionId === '') {
    throw unsupported(
      `${node} runs ${name}, which has no release number and so no patch versions`,
      'use a stable release',
    );
  }
  // Alpine has no systemd by design; jobs are sessions of their own there.
  if (!reading.systemd && packageManager !== 'apk')
    throw unsupported(`${node} runs ${name} without systemd`, 'ospatch runs package jobs under systemd');
}

/** Detects an image-based system by os-release alone, e.g. when nothing can be written on the node. */
export function imageBasedSystem(id: string, variant: string): { name: string; hint: string } | undefined {
  return IMAGE_BASED.find((system) => system.matches(id, variant));
}

/**
 * Refuses a node in a state that does not allow a patch.
 *
 * @throws OspatchError `Policy` or `DiskFull`
 */
export function assertSafe(
  node: string,
  reading: FactsReading,
  withoutDrain: boolean,
  ignoredOwners?: readonly IgnoredRebootOwner[],
): void {
  const { rebootOwners, kubernetes, disk } = findBlockers(node, reading.facts, withoutDrain, ignoredOwners);
  const first = rebootOwners ?? kubernetes ?? disk;
  if (first !== null) throw new OspatchError(first);
}

function unsupported(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'UnsupportedOs', message, remedy });
}
