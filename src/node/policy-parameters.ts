/** The package policy as the helper takes it: key=value lines. The helper checks every one of them again. */
import { OspatchError } from '../domain/errors';
import type { PackagePolicy } from '../domain/package-policy';
import { EXCLUDE_PATTERN, MAX_EXCLUDES } from '../domain/package-policy';

/** What differs from the default only, so that the default costs nothing. @throws OspatchError `Internal` */
export function policyParameters(policy: PackagePolicy | undefined): string[] {
  if (policy === undefined) return [];
  const { only, exclude, includeKubernetes, allowRemovals, keepMinor, phasedUpdates } = policy;
  if (exclude.length > MAX_EXCLUDES || exclude.some((glob) => !EXCLUDE_PATTERN.test(glob))) {
    throw new OspatchError({ type: 'Internal', message: 'not a valid list of excluded packages.' });
  }
  return [
    ...(only === undefined ? [] : [`only=${only}`]),
    ...exclude.map((glob) => `exclude=${glob}`),
    ...(includeKubernetes ? ['kubernetes=yes'] : []),
    ...(allowRemovals ? ['removals=yes'] : []),
    ...(keepMinor ? ['keep_minor=yes'] : []),
    ...(phasedUpdates === 'default' ? [] : [`phased=${phasedUpdates}`]),
  ];
}
