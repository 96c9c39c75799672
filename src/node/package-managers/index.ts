/** All supported package managers. Nothing else branches on the distribution. */
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import { apk } from './apk';
import { apt } from './apt';
import { dnf } from './dnf';
import type { PackageManager } from './types';
import { zypper } from './zypper';

/** By their names in the facts. dnf 5 and yum use the driver of dnf. */
const managers = { apk, apt, dnf, dnf5: dnf, yum: dnf, zypper } satisfies Record<string, PackageManager>;

export type PackageManagerName = keyof typeof managers;

export function isSupportedManager(name: string): name is PackageManagerName {
  return Object.hasOwn(managers, name);
}

export function packageManager(name: PackageManagerName): PackageManager {
  return managers[name];
}

/** @throws OspatchError `UnsupportedOs` for an unknown name, e.g. from a workflow of another version */
export function knownManager(name: string): PackageManagerName {
  if (isSupportedManager(name)) return name;
  throw new OspatchError({
    type: 'UnsupportedOs',
    message: `the package manager ${plainText(name, 40)} is not supported`,
  });
}
