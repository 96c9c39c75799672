/** The chain over all messages of a cluster and the answers to them. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/shared/canonical-json';

export interface ChainedMessage {
  /** Of the message, e.g. `patchNow`. */
  name: string;
  /** As it was sent. */
  message: unknown;
}

/** The next link: over the one before, the message as it was sent, and the answer without its own link. */
export function chainAfter(before: string, { name, message }: ChainedMessage, answer: object): string {
  const link = canonicalJson({ before, name, message: message ?? null, answer: { ...answer, chain: undefined } });
  return createHash('sha256').update(link).digest('hex');
}
