/** Places that users other than root can change, on the way to what root runs on a node. */
import { OspatchError } from '../domain/shared/errors';

export interface ExposedPlace {
  place: string;
  /** `OWNER:GROUP`. */
  owner: string;
  /** As `ls -l` shows it. */
  mode: string;
}

/**
 * Shell code that prints the first of `places` that is not root's alone, for {@link exposedPlace}. Contains no single
 * quote. Nothing is printed for places that do not exist.
 */
export function findExposed(places: readonly string[]): string {
  return `stat -c "%u %A %U:%G %n" ${places.join(' ')} 2>/dev/null | grep -v "^0 [d-]....-..-. " | head -n 1`;
}

/** A path with all directories above it. */
export function withDirectories(path: string): string[] {
  const parts = path.split('/').slice(1);
  return [...parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`), '/'];
}

/** What {@link findExposed} has printed, in any text. */
export function exposedPlace(text: string): ExposedPlace | null {
  const [, mode, owner, place] = /\d+ ([a-z-][rwxsStT-]{9}) ([^\s:]+:[^\s:]+) (\/\S*)/.exec(text) ?? [];
  if (mode === undefined || owner === undefined || place === undefined) return null;
  return { place, owner, mode };
}

export function describeExposed({ place, owner, mode }: ExposedPlace): string {
  if (mode.startsWith('l')) return `${place} is a symbolic link`;
  return `users other than root can change ${place} (${owner} ${mode})`;
}

export function exposedRemedy(node: string, { place, owner, mode }: ExposedPlace): string {
  if (mode.startsWith('l')) return `replace ${place} on ${node} with a directory or file of root`;
  // What ospatch keeps for itself is made anew, and what somebody else made may hold anything.
  if (/^\/(?:var\/lib|run)\/ospatch\b|\/ospatch-node-[0-9a-f]+$/.test(place)) {
    return `see on ${node} who made ${place} and what it holds, then remove it; ospatch makes it again`;
  }
  const fix = `as root on ${node}: \`chown root:root ${place} && chmod go-w ${place}\``;
  if (!owner.endsWith(':staff')) return fix;
  return `${fix}, for each directory that belongs to the group staff there; Debian gives it /usr/local while /etc/staff-group-for-usr-local exists, so remove that file too`;
}

/** The helper was neither run nor installed. */
export function exposedError(node: string, exposed: ExposedPlace): OspatchError {
  return new OspatchError({
    type: 'HelperMissing',
    message: `the helper on ${node} is not run: ${describeExposed(exposed)}`,
    remedy: exposedRemedy(node, exposed),
  });
}
