/** All package managers there are. Nobody else branches on the distribution. */
import { apt } from './apt';
import type { PackageManager } from './types';

const managers = { apt } satisfies Record<string, PackageManager>;

export type PackageManagerName = keyof typeof managers;

export function isSupportedManager(name: string): name is PackageManagerName {
  return Object.hasOwn(managers, name);
}

export function packageManager(name: PackageManagerName): PackageManager {
  return managers[name];
}
