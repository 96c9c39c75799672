/** From the name of an identity to something that can sign. Key material stays in memory and out of every message. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { AnyAuthMethod, BaseAgent, ParsedKey } from 'ssh2';
import { createAgent, utils } from 'ssh2';
import { OspatchError } from '../domain/errors';

export const AGENT = 'agent';

/** A file in the key directory, never a path: a spec must not be able to name any other file of the worker. */
const IDENTITY_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * The one authentication method to offer for `identity`.
 *
 * @throws OspatchError `IdentityUnavailable`: no such file, not readable, encrypted, open to others, no agent.
 */
export async function resolveIdentity(identity: string, user: string, keyDir: string): Promise<AnyAuthMethod> {
  if (identity === AGENT) return { type: 'agent', username: user, agent: await openAgent() };
  if (!IDENTITY_NAME.test(identity)) {
    throw unavailable(
      `ssh.identity "${identity.slice(0, 80)}" is not a bare file name`,
      'name a file in the key directory of the worker, or `agent`',
    );
  }
  return { type: 'publickey', username: user, key: await readKey(path.join(keyDir, identity), identity, keyDir) };
}

async function openAgent(): Promise<BaseAgent> {
  const socket = process.env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '') {
    throw unavailable(
      'ssh.identity is "agent", but SSH_AUTH_SOCK is not set for the worker',
      'start the worker with an ssh-agent',
    );
  }
  const agent = createAgent(socket);
  const keys = await new Promise<number>((resolve, reject) => {
    agent.getIdentities((error, found) => (error ? reject(error) : resolve(found?.length ?? 0)));
  }).catch((cause: unknown) => {
    throw unavailable(
      'the ssh-agent of the worker does not answer',
      'start the worker with a running ssh-agent',
      cause,
    );
  });
  if (keys === 0) throw unavailable('the ssh-agent of the worker holds no keys', 'add the key with ssh-add');
  return agent;
}

async function readKey(file: string, identity: string, keyDir: string): Promise<ParsedKey> {
  const text = await readPrivateFile(file, identity, keyDir);
  const parsed = utils.parseKey(text);
  if (parsed instanceof Error) {
    const encrypted = /passphrase|encrypted/i.test(parsed.message);
    throw encrypted
      ? unavailable(
          `the key "${identity}" is encrypted`,
          'load it into an ssh-agent and set ssh.identity to `agent`, or use a key without passphrase',
        )
      : unavailable(
          `the file "${identity}" in the key directory is not a private key that can be read`,
          'use an OpenSSH or PEM private key',
        );
  }
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey()) {
    throw unavailable(
      `the file "${identity}" in the key directory holds no private key`,
      'name the private key, not the .pub file',
    );
  }
  return key;
}

async function readPrivateFile(file: string, identity: string, keyDir: string): Promise<Buffer> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) {
      throw unavailable(
        `the key "${identity}" can be read by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
        `chmod 600 ${file}`,
      );
    }
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof OspatchError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw unavailable(
      missing
        ? `there is no key "${identity}" in ${keyDir} on the worker`
        : `the key "${identity}" in ${keyDir} cannot be read by the worker`,
      missing
        ? 'put the private key there, or set OSPATCH_KEY_DIR for the worker'
        : 'give the file to the user the worker runs as',
      cause,
    );
  }
}

function unavailable(message: string, remedy: string, cause?: unknown): OspatchError {
  return new OspatchError({ type: 'IdentityUnavailable', message: `${message}.`, remedy }, { cause });
}
