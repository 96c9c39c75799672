/** Installs the helper on a node over SSH. */
import { OspatchError } from '../domain/shared/errors';
import type { NodeTarget } from '../domain/spec/types';
import type { ExecResult, Transport } from '../ssh/transport';
import { plainText } from '../domain/shared/text';
import { exposedError, exposedPlace } from './exposed';
import { installSteps } from './helper/install-steps';
import { HELPER_DIR, type HelperScript } from './helper/script';
import { privilegeOf, sudoDenied, sudoReason } from './privilege';
import { imageBasedSystem } from './supported-systems';
import { defined } from '../domain/shared/defined';

const FAILED_MARK = 'ospatch-install:';

/** Prints a marker on a line of its own, which distinguishes a failed step from output of the login shell. */
function installScript(helper: HelperScript): string {
  const { before, write, after } = installSteps(helper);
  return [
    'umask 022',
    `fail() { echo "${FAILED_MARK}$1 $e"; exit 1; }`,
    ...[...before, write, ...after].map(({ command, failure }) =>
      failure === null ? command : `${command} || fail ${failure}`,
    ),
    `echo "${FAILED_MARK}ok"`,
  ].join('; ');
}

/**
 * Installs the helper.
 *
 * @throws OspatchError `SudoDenied`, `DiskFull`, `UnsupportedOs` or `HelperMissing`
 */
export async function installHelper(
  target: Pick<NodeTarget, 'name' | 'ssh'>,
  transport: Transport,
  helper: HelperScript,
  signal?: AbortSignal,
): Promise<void> {
  const node = target.name;
  const { user } = target.ssh;
  const { setup, prefix } = privilegeOf(user);
  const options = defined({ signal });
  // The script contains no single quote and no external input.
  const script = `'${installScript(helper)}'`;
  const command = prefix === '' ? `sh -c ${script}` : `sh -c '${setup}exec ${prefix}sh -c "$1"' ospatch ${script}`;
  const result = await transport.exec(command, { ...options, stdin: helper.content });
  const outcome = new RegExp(`${FAILED_MARK}(\\w+)`).exec(result.stdout.toString())?.[1];
  if (outcome === 'ok') return;
  const exposed = outcome === 'exposed' ? exposedPlace(result.stdout.toString()) : null;
  if (exposed !== null) throw exposedError(node, exposed);
  if (outcome === undefined && prefix !== '') {
    throw sudoDenied({ node, user, path: helper.path, doing: 'place', call: null }, result);
  }
  const release = await transport.exec('cat /etc/os-release', options);
  throw installFailed(node, helper, result, release.stdout.toString());
}

function installFailed(node: string, helper: HelperScript, result: ExecResult, osRelease: string): OspatchError {
  const value = (key: string): string => new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1] ?? '';
  const image = imageBasedSystem(value('ID'), value('VARIANT_ID'));
  if (image !== undefined) {
    return new OspatchError({
      type: 'UnsupportedOs',
      message: `${node} runs ${image.name}, an image-based system without packages to patch`,
      remedy: image.hint,
    });
  }
  const reason = sudoReason(result) || 'no reason was given';
  if (/No space left/.test(reason)) {
    return new OspatchError({
      type: 'DiskFull',
      message: `the helper cannot be written to ${HELPER_DIR} on ${node}: the disk is full`,
      remedy: `free some space on ${node}`,
    });
  }
  return new OspatchError({
    type: 'HelperMissing',
    message: `the helper cannot be written to ${HELPER_DIR} on ${node}: ${plainText(reason, 200)}`,
    remedy: `make ${HELPER_DIR} writable for root, or place the helper as ${helper.path} and set ssh.helper to preinstalled`,
  });
}
