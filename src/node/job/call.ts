/**
 * The command that verifies and runs the helper in one round trip, so that a foreign file is never run as the helper.
 * File and directories are verified to be root's alone, so someone who could replace the file in between is already root.
 */
import { OspatchError } from '../../domain/shared/errors';
import type { ExposedPlace } from '../exposed';
import { exposedPlace, findExposed, withDirectories } from '../exposed';
import type { HelperScript } from '../helper/script';
import type { Privilege } from '../privilege';
import { defined } from '../../domain/shared/defined';

/** Why the file at the helper's path is not the helper. */
export interface HelperDefect {
  /** `mode`: the login user may not read or execute the file. */
  kind: 'missing' | 'changed' | 'mode';
  /** SHA-256 of the file; null when unreadable. */
  found: string | null;
}

/** Only our own verbs and arguments may ever reach a shell. */
const CALL = /^(?:[a-z]+(?: [a-z0-9][a-z0-9-]*){0,4}|reboot [0-9a-f-]{8,64} [A-Za-z0-9_][A-Za-z0-9_.-]{0,63})$/;

const DEFECT = /^ospatch-helper:(missing|changed|mode) ([0-9a-f]{64})?$/m;

/**
 * The command that runs `call` (verb and arguments), through `sh` because the login shell may be any shell.
 *
 * @throws OspatchError `Internal` for anything other than a verb with plain arguments
 */
export function helperCommand({ digest, path }: HelperScript, privilege: Privilege, call: string): string {
  if (!CALL.test(call)) {
    throw new OspatchError({ type: 'Internal', message: `not a call of the helper: ${call.slice(0, 100)}` });
  }
  const script = [
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin',
    'export PATH',
    `f=${path}`,
    `e=$(${findExposed(withDirectories(path))})`,
    'if [ -n "$e" ]; then echo "ospatch-helper:exposed $e"; exit 127; fi',
    `${privilege.setup}[ -x $f ] && h=$(sha256sum <$f) && [ "\${h%% *}" = ${digest} ] && exec ${privilege.prefix}$f "$@"`,
    'if [ ! -e $f ]; then w=missing; elif [ -r $f ] && [ -x $f ]; then w=changed; else w=mode; fi',
    'echo "ospatch-helper:$w ${h%% *}"',
    'exit 127',
  ].join('; ');
  return `sh -c '${script}' ospatch ${call}`;
}

/**
 * The command that runs `call` with a helper that is sent along, in a directory of its own that is removed afterwards, so that
 * nothing is left on the node. Standard input: the helper, then the input of the call.
 *
 * @throws OspatchError as {@link helperCommand}
 */
export function passingHelperCommand({ digest, content }: HelperScript, privilege: Privilege, call: string): string {
  if (!CALL.test(call)) {
    throw new OspatchError({ type: 'Internal', message: `not a call of the helper: ${call.slice(0, 100)}` });
  }
  // Some `head` reads ahead, so the input is cut in a file.
  const script = [
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; umask 077',
    'd=$(mktemp -d /run/ospatch-helper.XXXXXX) || exit 126',
    'trap "rm -rf $d" EXIT; trap "exit 129" HUP TERM',
    'cat >$d/in',
    `head -c ${content.length} $d/in >$d/ospatch-node`,
    'h=$(sha256sum <$d/ospatch-node)',
    `[ "\${h%% *}" = ${digest} ] || { echo "ospatch-helper:changed \${h%% *}"; exit 127; }`,
    `tail -c +${content.length + 1} $d/in | sh $d/ospatch-node "$@"`,
  ].join('; ');
  return `sh -c '${privilege.setup}exec ${privilege.prefix}sh -c "$0" "$@"' '${script}' ospatch ${call}`;
}

/** Why the helper was not run; null when it was run, or when the reason is unknown. */
export function helperDefect(stdout: Buffer): HelperDefect | null {
  const match = DEFECT.exec(stdout.toString('latin1'));
  if (match === null) return null;
  return { kind: match[1] as HelperDefect['kind'], found: match[2] ?? null };
}

/** The place for whose sake the helper was not run; null when there is none. */
export function exposedHelper(stdout: Buffer): ExposedPlace | null {
  return exposedPlace(/^ospatch-helper:exposed (.*)$/m.exec(stdout.toString('latin1'))?.[1] ?? '');
}

/** The error when the helper is missing and must be installed by an administrator. */
export function helperMissing(
  node: string,
  user: string,
  { digest, path }: HelperScript,
  { kind, found }: HelperDefect,
): OspatchError {
  const message = {
    missing: `${node} has no helper of this version (${path}, sha256 ${digest})`,
    changed: `the helper on ${node} does not belong to this version of ospatch and was not run: ${path} has sha256 ${found ?? 'unknown'} instead of ${digest}`,
    mode: `the helper on ${node} cannot be run: ${user} may not read and execute ${path} (sha256 ${digest})`,
  }[kind];
  return new OspatchError({
    type: 'HelperMissing',
    message,
    remedy: `an administrator installs it with \`ospatch helper install -f SPEC --node ${node}\`, or with the output of \`ospatch helper print --installer\` run as root on ${node}; or ssh.helper is set to auto`,
    details: { path, digest, ...defined({ found: found ?? undefined }) },
  });
}
