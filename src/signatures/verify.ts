/** Whose signature it is, according to a list of signers (`allowed_signers` of OpenSSH). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SIGNATURE_NAMESPACE } from '../domain/cluster/signature';
import { plainText } from '../domain/shared/text';
import type { KeygenResult } from './ssh-keygen';
import { KeygenError, lastWords, runKeygen } from './ssh-keygen';

export interface SignatureToVerify {
  /** What should have been signed. */
  text: string;
  /** Armored. */
  signature: string;
  /** Path of the list of signers; null: there is none. */
  signers: string | null;
  /** The moment at which the key must have been valid; default: now. */
  at?: Date;
}

/**
 * `unknown`: the signature is good, and the list has no key that may sign at that moment. `bad`: it is not one of this text.
 * `why`: one clause.
 */
export type SignatureVerdict =
  { kind: 'good'; principal: string } | { kind: 'unknown'; why: string } | { kind: 'bad'; why: string };

/** @throws KeygenError when ssh-keygen cannot be run, or the list cannot be read */
export async function verifySignature({ text, signature, signers, at }: SignatureToVerify): Promise<SignatureVerdict> {
  const directory = await mkdtemp(path.join(tmpdir(), 'ospatch-signature-'));
  try {
    const file = path.join(directory, 'signature');
    await writeFile(file, signature, { mode: 0o600 });
    const options = at === undefined ? [] : [`-Overify-time=${verifyTime(at)}`];
    const check = await runKeygen(['-Y', 'check-novalidate', '-n', SIGNATURE_NAMESPACE, '-s', file], { input: text });
    if (check.code !== 0) return { kind: 'bad', why: badReason(check) };
    if (signers === null) return { kind: 'unknown', why: 'there is no list of signers' };
    const found = await runKeygen(['-Y', 'find-principals', '-s', file, '-f', signers, ...options]);
    const principals = found.stdout.split('\n').filter((line) => line !== '');
    // A pattern names nobody, if there is a name.
    const principal = principals.find((one) => !/[*?!]/.test(one)) ?? principals[0];
    if (found.code !== 0 || principal === undefined) return { kind: 'unknown', why: unknownReason(found, signers) };
    const args = ['-Y', 'verify', '-f', signers, '-I', principal, '-n', SIGNATURE_NAMESPACE, '-s', file, ...options];
    const verified = await runKeygen(args, { input: text });
    if (verified.code === 0) return { kind: 'good', principal: plainText(principal, 100) };
    // The text is right, so it is the key that must not sign this, e.g. for its namespaces.
    return { kind: 'unknown', why: unknownReason(verified, signers) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function badReason(result: KeygenResult): string {
  const why = lastWords(result);
  if (/incorrect signature/i.test(why)) return 'it was made for another request, or the request was changed';
  if (/namespace/i.test(why)) return `it was not made with \`-n ${SIGNATURE_NAMESPACE}\``;
  return why;
}

function unknownReason(result: KeygenResult, signers: string): string {
  if (/unable to open|no such file|permission denied/i.test(result.stderr))
    throw new KeygenError(`${signers} cannot be read`);
  const lines = result.stderr.split('\n');
  // e.g. `FILE:1: key has expired: ...`
  const about = lines.find((line) => line.startsWith(`${signers}:`));
  if (about !== undefined) return plainText(about.slice(signers.length + 1).replace(/^\d+: /, ''), 200);
  return 'its key is not in the list of signers';
}

/** As `-O verify-time` takes it: without a zone, which is UTC by then. */
function verifyTime(at: Date): string {
  return at.toISOString().slice(0, 19).replace(/[-:T]/g, '');
}
