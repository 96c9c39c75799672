/** All package managers there are. Nobody else branches on the distribution. */
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import { apk } from './apk';
import { apt } from './apt';
import { dnf } from './dnf';
import type { PackageManager } from './types';
import { zypper } from './zypper';

/** By the names in facts. dnf, its successor and its predecessor are one driver. */
const managers = { apk, apt, dnf, dnf5: dnf, yum: dnf, zypper } satisfies Record<string, PackageManager>;

export type PackageManagerName = keyof typeof managers;

export function isSupportedManager(name: string): name is PackageManagerName {
  return Object.hasOwn(managers, name);
}

export function packageManager(name: PackageManagerName): PackageManager {
  return managers[name];
}

/** @throws OspatchError `UnsupportedOs` for a name that is none, e.g. from a workflow of another version */
export function knownManager(name: string): PackageManagerName {
  if (isSupportedManager(name)) return name;
  throw new OspatchError({
    type: 'UnsupportedOs',
    message: `the package manager ${plainText(name, 40)} is not supported`,
  });
}
