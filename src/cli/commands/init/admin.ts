/** The key with which an administrator logs in to prepare the nodes. */
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { defined } from '../../../domain/shared/defined';
import { OspatchError, isOspatchError } from '../../../domain/shared/errors';
import type { ErrorInfo } from '../../../domain/shared/errors';
import { plainText } from '../../../domain/shared/text';
import { resolveIdentity } from '../../../ssh/builtin/identity';
import { parsePassphraseCommand } from '../../../ssh/builtin/passphrase';
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
 * @throws OspatchError `Usage` for an agent or a file that is not there, `IdentityUnavailable` for one that cannot be used
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
    if (!(await isReadable(file))) continue;
    await assertUsable(file, context);
    return file;
  }
  throw new OspatchError({
    type: 'Usage',
    message: `--admin-identity: ${plainText(named, 200)} does not exist or cannot be read`,
    remedy: 'name the private key of --admin, or agent',
  });
}

/** As the login will, so that nothing is written before a key is known to work here. */
async function assertUsable(file: string, { env }: Pick<CliContext, 'env'>): Promise<void> {
  const passphraseCommand = parsePassphraseCommand(env['OSPATCH_PASSPHRASE_COMMAND']);
  const options = { keyDir: path.dirname(file), ...defined({ passphraseCommand }) };
  try {
    await resolveIdentity(path.basename(file), '', options);
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    const { type, message, remedy } = error;
    throw new OspatchError(
      {
        type,
        message: `--admin-identity: ${message.replace(' in the key directory', '').replace(', and the worker has', ', and there is')}`,
        ...defined({
          remedy: message.includes('is encrypted') ? 'add it to an ssh-agent with ssh-add, and name agent' : remedy,
        }),
      },
      { cause: error },
    );
  }
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
