/** Policies as parameters of the helper: key=value lines, each validated again by the helper. */
import { OspatchError } from '../domain/shared/errors';
import type { PackagePolicy } from '../domain/spec/package-policy';
import { EXCLUDE_PATTERN, MAX_EXCLUDES } from '../domain/spec/package-policy';
import type { RestartPolicy } from '../domain/spec/restart-policy';
import { MAX_UNIT_GLOBS, UNIT_GLOB_PATTERN } from '../domain/spec/restart-policy';

/** Only deviations from the default. @throws OspatchError `Internal` */
export function policyParameters(policy: PackagePolicy | undefined): string[] {
  if (policy === undefined) return [];
  const { only, exclude, includeKubernetes, allowRemovals, keepMinor, phasedUpdates } = policy;
  if (exclude.length > MAX_EXCLUDES || exclude.some((glob) => !EXCLUDE_PATTERN.test(glob))) {
    throw new OspatchError({ type: 'Internal', message: 'not a valid list of excluded packages' });
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

/** The restart policy in the same format. @throws OspatchError `Internal` */
export function restartParameters({ mode, services, ignore }: RestartPolicy, drained: boolean): string[] {
  const globs = [...services, ...ignore];
  if (
    Math.max(services.length, ignore.length) > MAX_UNIT_GLOBS ||
    globs.some((glob) => !UNIT_GLOB_PATTERN.test(glob))
  ) {
    throw new OspatchError({ type: 'Internal', message: 'not a valid list of services' });
  }
  return [
    ...(mode === 'never' ? [] : [`restart=${mode}`]),
    ...(drained ? ['drained=yes'] : []),
    ...services.map((glob) => `restart_service=${glob}`),
    ...ignore.map((glob) => `restart_ignore=${glob}`),
  ];
}
