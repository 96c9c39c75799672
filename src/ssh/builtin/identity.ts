/** Resolves the name of an identity to a signing key. Key material stays in memory and out of all messages. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { AnyAuthMethod, BaseAgent, ParsedKey } from 'ssh2';
import { createAgent, utils } from 'ssh2';
import { OspatchError } from '../../domain/shared/errors';
import { plainText } from '../../domain/shared/text';
import type { AgentKey } from '../agent-keys';
import { keyByFingerprint, listAgentKeys, offeredKeys } from '../agent-keys';
import { MIN_RSA_BITS } from '../../domain/trust/host-keys';
import { shortRsaBitsOf } from '../host-keys';
import { UntrustedFile, readTrusted } from '../../trusted-file';
import { findPassphrase } from './passphrase';

export const AGENT = 'agent';

/** One key of the agent, by the fingerprint that `ssh-add -l` shows. */
const AGENT_KEY = /^agent:(SHA256:[A-Za-z0-9+/]{43})$/;

/** A file in the key directory, never a path: a spec must not be able to name other files on the worker. */
const IDENTITY_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/;

export interface IdentityOptions {
  /** Directory of the private keys. */
  keyDir: string;
  /** Program and arguments that print a passphrase; the name of the key is appended as the last argument. */
  passphraseCommand?: readonly string[];
}

/** The authentication data of one identity. `keys`: to offer, at least one; `isOne`: it was asked for. `key` is null for types that ssh2 does not support, such as FIDO keys. */
export type IdentitySource =
  | { kind: 'agent'; socket: string; held: number; keys: AgentKey[]; isOne: boolean }
  | { kind: 'file'; file: string; key: ParsedKey | null; encrypted: boolean };

/**
 * The one authentication method to offer for `identity`.
 *
 * @throws OspatchError `IdentityUnavailable`: no such file, not readable, open to others, no passphrase, no agent.
 */
export async function resolveIdentity(
  identity: string,
  user: string,
  options: IdentityOptions,
): Promise<AnyAuthMethod> {
  const source = await findIdentity(identity, options);
  if (source.kind === 'agent') return { type: 'agent', username: user, agent: agentWith(source, identity) };
  if (source.key === null) {
    throw unavailable(
      `the file "${identity}" in the key directory is not a private key that can be read`,
      'use an OpenSSH or PEM private key; a FIDO key needs ssh.transport: openssh',
    );
  }
  return { type: 'publickey', username: user, key: source.key };
}

/** Locates the identity and reads what is available. Throws like `resolveIdentity`. */
export async function findIdentity(identity: string, options: IdentityOptions): Promise<IdentitySource> {
  const wanted = AGENT_KEY.exec(identity)?.[1];
  if (identity === AGENT || wanted !== undefined) return findInAgent(identity, wanted ?? null);
  if (!IDENTITY_NAME.test(identity)) {
    throw unavailable(
      `ssh.identity "${identity.slice(0, 80)}" is not a bare file name`,
      'name a file in the key directory of the worker, `agent`, or one key of the agent: `agent:SHA256:...`',
    );
  }
  const file = path.join(options.keyDir, identity);
  return { kind: 'file', file, ...(await readKey(file, identity, options)) };
}

/** `wanted`: the fingerprint of one key; null: whatever the agent holds. Errors list none of its other keys. */
async function findInAgent(identity: string, wanted: string | null): Promise<IdentitySource> {
  const socket = process.env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '') {
    throw unavailable(
      `ssh.identity is "${identity}", but SSH_AUTH_SOCK is not set for the worker`,
      'start the worker with an ssh-agent',
    );
  }
  const held = await listAgentKeys(socket).catch((cause: unknown) => {
    throw unavailable(
      'the ssh-agent of the worker does not answer',
      'start the worker with a running ssh-agent',
      cause,
    );
  });
  if (wanted === null) {
    const keys = offeredKeys(held);
    if (keys.length > 0) return { kind: 'agent', socket, held: held.length, keys, isOne: false };
    throw unavailable('the ssh-agent of the worker holds no keys', 'add the key with ssh-add');
  }
  const key = keyByFingerprint(held, wanted);
  if (key === undefined) {
    throw unavailable(
      `the ssh-agent of the worker does not hold the key ${wanted}`,
      'add it with ssh-add, or correct ssh.identity (`ssh-add -l` on the worker shows the fingerprints)',
    );
  }
  refuseShort(key.blob, identity);
  return { kind: 'agent', socket, held: held.length, keys: [key], isOne: true };
}

/** An agent that shows a server no other keys than the chosen ones. */
function agentWith({ socket, keys }: Extract<IdentitySource, { kind: 'agent' }>, identity: string): BaseAgent {
  const usable = keys.flatMap(({ type, blob }) => {
    const parsed = utils.parseKey(`${type} ${blob.toString('base64')}`);
    return parsed instanceof Error ? [] : [parsed].flat();
  });
  if (usable.length === 0) {
    throw unavailable(
      `the key "${identity}" of the worker's ssh-agent is of a type that the builtin transport cannot use: ${keys.map(({ type }) => plainText(type, 60)).join(', ')}`,
      'use ssh.transport: openssh for FIDO keys and certificates',
    );
  }
  const agent = createAgent(socket);
  agent.getIdentities = (callback) => callback(null, usable);
  return agent;
}

/** @throws OspatchError for an RSA key that is too short */
function refuseShort(blob: Buffer, identity: string): void {
  const bits = shortRsaBitsOf(blob);
  if (bits === null) return;
  throw unavailable(
    `the key "${identity}" is an RSA key of ${bits} bits, and fewer than ${MIN_RSA_BITS} are not used`,
    'make a new one: ssh-keygen -t ed25519',
  );
}

async function readKey(
  file: string,
  identity: string,
  options: IdentityOptions,
): Promise<{ key: ParsedKey | null; encrypted: boolean }> {
  const text = readPrivateFile(file, `key "${identity}"`, options.keyDir);
  let parsed = utils.parseKey(text);
  const encrypted = parsed instanceof Error && /passphrase|encrypted/i.test(parsed.message);
  if (encrypted) {
    const passphrase = await findPassphrase(identity, options, () =>
      Promise.resolve(readIfThere(`${file}.passphrase`, identity, options)),
    );
    parsed = utils.parseKey(text, passphrase);
    if (parsed instanceof Error) {
      throw unavailable(
        `the passphrase that the worker has for the key "${identity}" does not open it`,
        `check it with: ssh-keygen -y -f ${file}`,
      );
    }
  }
  if (parsed instanceof Error) return { key: null, encrypted };
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey()) {
    throw unavailable(
      `the file "${identity}" in the key directory holds no private key`,
      'name the private key, not the .pub file',
    );
  }
  refuseShort(key.getPublicSSH(), identity);
  return { key: withoutSha1(key), encrypted };
}

/** Refuses SHA-1 signatures, which ssh2 would give to a server that does not announce its algorithms. */
function withoutSha1(key: ParsedKey): ParsedKey {
  if (key.type !== 'ssh-rsa') return key;
  const sign = key.sign.bind(key);
  key.sign = (data, algorithm) => {
    if (algorithm === 'sha256' || algorithm === 'sha512') return sign(data, algorithm);
    // ssh2 expects the error as return value, which its types do not declare.
    return new Error('the server knows no RSA signature but SHA-1') as unknown as Buffer;
  };
  return key;
}

/** Undefined when the file does not exist. */
function readIfThere(file: string, identity: string, { keyDir }: IdentityOptions): Buffer | undefined {
  return existsSync(file) ? readPrivateFile(file, `passphrase file of the key "${identity}"`, keyDir) : undefined;
}

function readPrivateFile(file: string, what: string, keyDir: string): Buffer {
  try {
    return readTrusted(file, { secret: true, what: `the ${what}`, type: 'IdentityUnavailable' });
  } catch (cause) {
    if (!(cause instanceof UntrustedFile)) throw cause;
    if (cause.problem === 'missing') {
      throw unavailable(
        `there is no ${what} in ${keyDir} on the worker`,
        'put the private key there, or set OSPATCH_KEY_DIR for the worker',
        cause,
      );
    }
    throw cause;
  }
}

export function unavailable(message: string, remedy: string, cause?: unknown): OspatchError {
  return new OspatchError({ type: 'IdentityUnavailable', message, remedy }, { cause });
}
