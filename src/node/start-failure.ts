/** Why a job cannot be started on a node, from the helper's message. Nothing was changed on the node. */
import type { ErrorInfo } from '../domain/shared/errors';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { describeExposed, exposedRemedy } from './exposed';

export interface StartFailure {
  kind:
    'disk-full' | 'no-inodes' | 'read-only' | 'not-writable' | 'start-failed' | 'no-answer' | 'no-systemd' | 'exposed';
  /** Mount point of the affected file system; empty when none is. */
  place: string;
  /** The system's error message. */
  said: string;
}

const KINDS: readonly StartFailure['kind'][] = [
  'disk-full',
  'no-inodes',
  'read-only',
  'not-writable',
  'start-failed',
  'no-answer',
  'no-systemd',
  'exposed',
];

/** The helper's words about a limit of the caller, without systemd. */
const LIMITED = "root's session has a limit";

/** Null when `why` is no start failure. */
export function startFailure(why: string, place: string, said: string): StartFailure | null {
  const kind = KINDS.find((known) => known === why);
  return kind === undefined ? null : { kind, place: plainText(place, 100) || '/var/lib/ospatch', said };
}

export function startRefused(node: string, failure: StartFailure): OspatchError {
  const { type, what, remedy } = describe(node, failure);
  return new OspatchError({ type, message: `no job can be started on ${node}: ${what}`, remedy });
}

function describe(
  node: string,
  { kind, place, said }: StartFailure,
): Pick<ErrorInfo, 'type'> & { what: string; remedy: string } {
  const words = said === '' ? '' : ` (${said})`;
  switch (kind) {
    case 'disk-full':
      return {
        type: 'DiskFull',
        what: `the file system ${place} is full`,
        remedy: `free some space on ${place} of ${node}`,
      };
    case 'no-inodes':
      return {
        type: 'DiskFull',
        what: `the file system ${place} has no free inodes, although it has free space`,
        remedy: `remove files on ${place} of ${node}; \`df -i\` shows the inodes, \`du --inodes -xd2 ${place} | sort -n | tail\` where they are`,
      };
    case 'read-only':
      return {
        type: 'Unhealthy',
        what: `the file system ${place} is read-only`,
        remedy: `find out why (\`dmesg\`), mount it writable on ${node}, then patch the node again`,
      };
    case 'not-writable':
      return {
        type: 'Unhealthy',
        what: `${place} cannot be written${words}`,
        remedy: `check on ${node} what prevents root from writing there: \`lsattr -d\`, quotas, SELinux`,
      };
    case 'no-answer':
      return {
        type: 'Unhealthy',
        what: 'systemd does not answer',
        remedy: `see on ${node} what \`systemctl status\` says, and reboot the node if it does not answer there either`,
      };
    case 'no-systemd':
      return {
        type: 'UnsupportedOs',
        what: 'systemd does not run there, and what takes its place on Alpine is missing (setsid, flock, timeout)',
        remedy: `boot ${node} with systemd`,
      };
    case 'start-failed':
      if (said.startsWith(LIMITED)) {
        const remedy = `raise it for the login on ${node} (/etc/security/limits.conf and limits.d), or let sudo raise it`;
        return { type: 'Unhealthy', what: said, remedy };
      }
      return {
        type: 'Unhealthy',
        what: `systemd could not run it${words}`,
        remedy: startRemedy(node, said),
      };
    case 'exposed': {
      const [owner = '', mode = ''] = said.split(' ');
      const exposed = { place, owner, mode };
      return { type: 'HelperMissing', what: describeExposed(exposed), remedy: exposedRemedy(node, exposed) };
    }
  }
}

/** A denied exec is nearly always caused by a security policy with a log of its own. */
function startRemedy(node: string, said: string): string {
  const journal = `\`journalctl -n 50 -u ospatch-job -u ospatch-probe\` on ${node}`;
  if (/permission denied|operation not permitted|status=203/i.test(said)) {
    return `let systemd run /bin/sh with /var/lib/ospatch/bin/ospatch-node-*: see \`ausearch -m avc,fanotify -ts recent\` (SELinux, fapolicyd), then ${journal}`;
  }
  return `see ${journal}`;
}
