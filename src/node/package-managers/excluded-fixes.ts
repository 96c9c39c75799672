/** Security fixes excluded by the policy of the cluster. */
import type { NodeWarning } from '../../domain/node/warning';
import { refusal } from './refusal';

/** The warning about excluded security fixes. */
export function excludedFixes(names: readonly string[]): NodeWarning[] {
  if (names.length === 0) return [];
  const fixes = names.length === 1 ? '1 package has a security fix' : `${names.length} packages have security fixes`;
  return [
    {
      kind: 'excluded-security',
      message: refusal(`${fixes} that patching.packages.exclude holds back`, names),
      remedy: 'remove them from patching.packages.exclude, or update them by hand',
    },
  ];
}
