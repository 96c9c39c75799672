/** The key with which an administrator logs in to prepare the nodes. */
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { OspatchError } from '../../../domain/shared/errors';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { plainText } from '../../../domain/shared/text';
import type { CliContext } from '../../io/context';
import type { Admin } from './answers';

const AGENT = 'agent';
/** As ssh tries them. */
const USUAL_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** A file as a person names it: a shell has not replaced `~` in an answer. */
export function userPath({ cwd, env }: Pick<CliContext, 'cwd' | 'env'>, text: string): string {
  const home = env['HOME'] ?? homedir();
  return path.resolve(cwd, text === '~' || text.startsWith('~/') ? path.join(home, text.slice(1)) : text);
}

/**
 * `agent`, or the absolute path of a key: in the working directory, else in the key directory.
 *
 * @throws OspatchError `Usage` for an agent or a file that is not there
 */
export async function adminIdentity(
  context: Pick<CliContext, 'cwd' | 'env'>,
  text: string,
  keyDir: string,
): Promise<string> {
  if (text === AGENT) {
    if ((context.env['SSH_AUTH_SOCK'] ?? '') !== '') return AGENT;
    throw new OspatchError({
      type: 'Usage',
      message: 'there is no ssh-agent with the key of --admin: SSH_AUTH_SOCK is not set',
      remedy: 'name its private key with --admin-identity FILE, or start an agent and add the key with ssh-add',
    });
  }
  const named = userPath(context, text);
  for (const file of text.includes('/') ? [named] : [named, path.join(keyDir, text)]) {
    if (await isReadable(file)) return file;
  }
  throw new OspatchError({
    type: 'Usage',
    message: `--admin-identity: ${plainText(named, 200)} does not exist or cannot be read`,
    remedy: 'name the private key of --admin, or agent',
  });
}

function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

/** What is offered: the agent where there is one, else a key that ssh would use; null: neither is there. */
export async function usualAdminIdentity(context: Pick<CliContext, 'cwd' | 'env'>): Promise<string | null> {
  if ((context.env['SSH_AUTH_SOCK'] ?? '') !== '') return AGENT;
  for (const name of USUAL_KEYS) {
    const file = `~/.ssh/${name}`;
    if (await isReadable(userPath(context, file))) return file;
  }
  return null;
}

/** Errors of a login name fields of the spec, which are those of the worker's own login. */
export function adminRemedy(
  { type, remedy }: Pick<ErrorInfo, 'type' | 'remedy'>,
  { user, identity }: Admin,
): string | undefined {
  const key = identity === AGENT ? 'a key of the ssh-agent' : identity;
  if (type === 'AuthFailed')
    return `make sure that ${user} can log in with ${key}, or correct --admin and --admin-identity`;
  if (type === 'IdentityUnavailable')
    return `correct --admin-identity; a key with a passphrase works through an ssh-agent (ssh-add)`;
  if (type === 'SudoDenied')
    return `name root with --admin, or a user for whom \`sudo -n true\` succeeds; or place the parts otherwise, see ospatch helper install and ospatch sudoers`;
  return remedy;
}
