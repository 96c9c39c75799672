/** Signs requests with the user's own key: a file, or a public key whose private half is in the agent or on a FIDO token. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { SIGNATURE_NAMESPACE, isSignature } from '../domain/cluster/signature';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { KeygenError, lastWords, runKeygen } from './ssh-keygen';

export const SIGNING_KEY_SETTING = 'OSPATCH_SIGNING_KEY';

/** What ssh-keygen says in any case, and what it says again in the error. */
const NOT_SHOWN = /^(Signing data|Couldn't|No private key|Load key|Unable)/;

/**
 * The path of a key as given: absolute, with `~/` resolved.
 *
 * @throws OspatchError `Usage` when there is no such file
 */
export function signingKeyAt(given: string): string {
  const file = path.resolve(given.startsWith('~/') ? path.join(homedir(), given.slice(2)) : given);
  if (existsSync(file)) return file;
  throw new OspatchError({
    type: 'Usage',
    message: `the signing key: found ${JSON.stringify(plainText(given, 200))}; there is no such file`,
    remedy: `name a private key, or a public key whose private half is in the agent, with --sign-with or ${SIGNING_KEY_SETTING}`,
  });
}

/**
 * Signs `text` with the key at `keyFile`. A passphrase or PIN is asked for at the terminal.
 *
 * @param show gets what ssh-keygen asks for meanwhile, e.g. to touch a token
 * @returns the armored signature
 * @throws OspatchError `Usage`
 */
export async function signText(keyFile: string, text: string, show?: (line: string) => void): Promise<string> {
  const args = ['-Y', 'sign', '-n', SIGNATURE_NAMESPACE, '-f', keyFile];
  const onMessage = (line: string): void => {
    if (!NOT_SHOWN.test(line)) show?.(line);
  };
  try {
    const result = await runKeygen(args, { input: text, limitMs: null, onMessage });
    const value = result.stdout;
    if (result.code === 0 && isSignature({ time: '2027-01-01T00:00:00Z', value })) return value;
    throw unsigned(keyFile, lastWords(result));
  } catch (error) {
    if (error instanceof KeygenError) throw unsigned(keyFile, error.message, error);
    throw error;
  }
}

function unsigned(keyFile: string, why: string, cause?: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'Usage',
      message: `the request could not be signed with ${keyFile}, so nothing was sent: ${why}`,
      remedy: remedyFor(why),
    },
    { cause },
  );
}

function remedyFor(why: string): string {
  if (/no ssh-keygen/.test(why)) return 'on Debian and Ubuntu: apt install openssh-client';
  if (/incorrect passphrase/i.test(why))
    return 'add the key to the agent with `ssh-add`, or run the command at a terminal';
  if (/private key|agent/i.test(why))
    return 'add the key to the agent with `ssh-add`; `ssh-add -l` shows what is in it, and SSH_AUTH_SOCK must lead to it';
  if (/bad permissions|unprotected/i.test(why)) return `make the key private: chmod 600`;
  return `try it by hand: ssh-keygen -Y sign -n ${SIGNATURE_NAMESPACE} -f KEY FILE`;
}
