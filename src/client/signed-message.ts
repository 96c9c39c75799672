/** Messages with the signature of whoever sends them. */
import { randomUUID } from 'node:crypto';
import type { Message } from '../domain/cluster/messages';
import type { SignedPlace } from '../domain/cluster/signed-text';
import { signedText } from '../domain/cluster/signed-text';
import { OspatchError } from '../domain/shared/errors';
import { signText } from '../signatures/sign';

/** Signs a text with the key of the user; the armored signature. */
export type Sign = (text: string) => Promise<string>;

/**
 * Signs with the key at `keyFile`.
 *
 * @param show gets what a person has to do meanwhile, e.g. touch a token
 */
export function signerWith(keyFile: string, show?: (line: string) => void): Sign {
  return (text) => signText(keyFile, text, show);
}

/**
 * The message with a signature of everything in it. A signed message has a request id, because it counts once.
 *
 * @throws OspatchError `Usage` when it cannot be signed
 */
export async function signedMessage<M extends Message>(
  place: Omit<SignedPlace, 'time'>,
  message: M,
  sign: Sign,
): Promise<M> {
  const requestId = message.requestId ?? randomUUID();
  const time = new Date().toISOString();
  // What is signed is what arrives: without what JSON leaves out.
  const sent = JSON.parse(JSON.stringify({ ...message, requestId })) as M;
  if ('signature' in sent) throw new OspatchError({ type: 'Usage', message: 'the message is signed already' });
  const value = await sign(signedText({ ...place, time }, sent));
  return { ...sent, signature: { time, value } };
}
