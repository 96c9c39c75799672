/** The keys of an ssh-agent (draft-miller-ssh-agent): which of them a login may offer. Nothing else of the agent is used. */
import { connect } from 'node:net';
import { fingerprint, hostKeyType, shortRsaBitsOf } from './host-keys';

const REQUEST_IDENTITIES = Buffer.from([0, 0, 0, 1, 11]);
const IDENTITIES_ANSWER = 12;

/** Public keys have a few hundred bytes, large certificates some thousand. */
const MAX_ANSWER_BYTES = 512 * 1024;
const TIMEOUT_MS = 5_000;

/** sshd ends a connection at the sixth key that it does not accept (MaxAuthTries 6). */
export const MAX_OFFERED_KEYS = 6;

export interface AgentKey {
  type: string;
  blob: Buffer;
}

/** @throws Error when the agent does not answer as an agent does */
export async function listAgentKeys(socket: string): Promise<AgentKey[]> {
  return parseIdentities(await ask(socket));
}

/** The key with this fingerprint (`SHA256:...`, as `ssh-add -l` shows it); undefined: the agent does not hold it. */
export function keyByFingerprint(keys: readonly AgentKey[], wanted: string): AgentKey | undefined {
  return keys.find(({ blob }) => fingerprint(blob) === wanted);
}

/** The keys that a login with no particular key offers, in the order of the agent. */
export function offeredKeys(keys: readonly AgentKey[]): AgentKey[] {
  return keys.filter(({ blob }) => shortRsaBitsOf(blob) === null).slice(0, MAX_OFFERED_KEYS);
}

function ask(socket: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    let answer = Buffer.alloc(0);
    const fail = (why: string): void => {
      connection.destroy();
      reject(new Error(why));
    };
    connection.setTimeout(TIMEOUT_MS, () => fail('the agent does not answer'));
    connection.once('error', reject);
    connection.once('close', () => fail('the agent closed the connection'));
    connection.once('connect', () => connection.write(REQUEST_IDENTITIES));
    connection.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const length = answer.length < 4 ? 0 : answer.readUInt32BE(0);
      if (length > MAX_ANSWER_BYTES || answer.length > 4 + MAX_ANSWER_BYTES) return fail('the answer is too long');
      if (answer.length < 4 || answer.length < 4 + length) return;
      resolve(answer.subarray(4, 4 + length));
      connection.destroy();
    });
  });
}

function parseIdentities(answer: Buffer): AgentKey[] {
  if (answer.length < 5 || answer[0] !== IDENTITIES_ANSWER) throw new Error('the agent refuses to list its keys');
  const keys: AgentKey[] = [];
  let at = 5;
  const next = (): Buffer => {
    const start = at + 4;
    const end = start > answer.length ? Infinity : start + answer.readUInt32BE(at);
    if (end > answer.length) throw new Error('the answer of the agent is cut off');
    at = end;
    return answer.subarray(start, end);
  };
  for (let left = answer.readUInt32BE(1); left > 0; left--) {
    const blob = next();
    // The comment, which may name a person.
    next();
    keys.push({ type: hostKeyType(blob), blob });
  }
  return keys;
}
