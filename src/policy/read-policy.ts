/** Reads a policy document and the files that it names, and describes what is wrong with them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseDocuments } from '../client/load/documents';
import { parsePolicy } from '../domain/policy/parse';
import type { WorkerPolicy } from '../domain/policy/types';
import { isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { renderPath } from '../domain/spec/issues';
import type { KnownHosts } from '../domain/trust/known-hosts';
import { parseKnownHosts } from '../domain/trust/known-hosts';
import { UntrustedFile, checkTrusted, readTrusted } from '../trusted-file';

const MAX_POLICY_BYTES = 1024 * 1024;
const MAX_COMPANION_BYTES = 8 * 1024 * 1024;

/** A policy in force. */
export interface LoadedPolicy {
  policy: WorkerPolicy;
  /** As configured. */
  path: string;
  /** The first 12 characters of the SHA-256 of the document. */
  digest: string;
  knownHosts: { file: string; entries: KnownHosts } | null;
  /** The file with the keys of persons. */
  signers: { file: string; text: string } | null;
}

/** One mistake in a policy or beside it. */
export interface PolicyProblem {
  line?: number;
  column?: number;
  /** Field of the document; the empty string: the file as a whole. */
  field: string;
  message: string;
}

export type ReadPolicy = { loaded: LoadedPolicy; problems: [] } | { loaded: null; problems: PolicyProblem[] };

/**
 * Never throws for what is wrong with the files. `untrusted`: gets why a worker here would not use a file because of its
 * owner or mode, and the file is read all the same; absent: it is not.
 */
export function readPolicy(path: string, untrusted?: string[]): ReadPolicy {
  const read = readText(path, 'the policy of the worker', MAX_POLICY_BYTES, untrusted);
  if ('problem' in read) return refused([read.problem]);
  const { policy, problems } = parsePolicyText(read.text);
  if (policy === null) return refused(problems);
  const [knownHosts, signers] = (['knownHosts', 'signers'] as const).map((field) =>
    companion(path, policy, field, untrusted),
  ) as [Companion, Companion];
  const wrong = [knownHosts, signers].flatMap((one) => (one !== null && 'problem' in one ? [one.problem] : []));
  if (wrong.length > 0) return refused(wrong);
  const loaded: LoadedPolicy = {
    policy,
    path,
    digest: createHash('sha256').update(read.text).digest('hex').slice(0, 12),
    knownHosts:
      knownHosts !== null && 'text' in knownHosts
        ? { file: knownHosts.file, entries: parseKnownHosts(knownHosts.text) }
        : null,
    signers: signers !== null && 'text' in signers ? signers : null,
  };
  return { loaded, problems: [] };
}

/**
 * A text that changes whenever a file of the policy does.
 *
 * @throws UntrustedFile when others can change one of them, or one is missing
 */
export function fingerprintOf({ path, policy }: Pick<LoadedPolicy, 'path' | 'policy'>): string {
  const companions = [policy.knownHosts, policy.signers].flatMap((name) => (name === undefined ? [] : [name]));
  const files = [path, ...companions.map((name) => join(dirname(path), name))];
  return files
    .map((file) => {
      const { ino, dev, size, mtimeMs, ctimeMs } = checkTrusted(file, { secret: false }).stats;
      return [file, dev, ino, size, mtimeMs, ctimeMs].join(' ');
    })
    .join('\n');
}

/** Validates the text of a policy. */
export function parsePolicyText(text: string): { policy: WorkerPolicy | null; problems: PolicyProblem[] } {
  const { documents, problems: syntax } = parseDocuments(text);
  const problems: PolicyProblem[] = syntax
    .filter(({ severity }) => severity === 'error')
    .map(({ line, column, message }) => ({ line, column, field: '', message }));
  if (problems.length > 0) return { policy: null, problems };
  const [document, ...others] = documents;
  if (document === undefined) {
    const message = 'the file is empty; allowed: a mapping with version and rules; rules: [] allows nothing';
    return { policy: null, problems: [{ field: '', message }] };
  }
  if (others.length > 0) {
    return { policy: null, problems: [{ field: '', message: 'found several documents; allowed: one' }] };
  }
  const { policy, issues } = parsePolicy(document.value);
  const wrong = issues.map(({ path, at, message }) => ({
    ...document.locate(path, at),
    field: renderPath(path),
    message,
  }));
  return { policy, problems: wrong };
}

/** `line 3: rules[0].ports: found "ssh"; allowed: ...`. */
export function describeProblem({ line, field, message }: PolicyProblem): string {
  const where = [...(line === undefined ? [] : [`line ${line}`]), ...(field === '' ? [] : [field])];
  return [...where, message].join(': ');
}

type Companion = { file: string; text: string } | { problem: PolicyProblem } | null;

function companion(
  policyPath: string,
  policy: WorkerPolicy,
  field: 'knownHosts' | 'signers',
  untrusted: string[] | undefined,
): Companion {
  const name = policy[field];
  if (name === undefined) return null;
  const file = join(dirname(policyPath), name);
  const read = readText(file, `the file ${name} beside the policy`, MAX_COMPANION_BYTES, untrusted);
  return 'problem' in read ? { problem: { ...read.problem, field } } : { file, text: read.text };
}

function readText(
  file: string,
  what: string,
  maxBytes: number,
  untrusted: string[] | undefined,
): { text: string } | { problem: PolicyProblem } {
  try {
    const bytes = readBytes(file, what, maxBytes, untrusted);
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (isOspatchError(error)) return { problem: { field: '', message: `${error.message}; ${error.remedy}` } };
    const message = error instanceof TypeError ? `${what} is not UTF-8 text` : plainText(String(error), 300);
    return { problem: { field: '', message } };
  }
}

function readBytes(file: string, what: string, maxBytes: number, untrusted: string[] | undefined): Buffer {
  try {
    return readTrusted(file, { secret: false, what, maxBytes });
  } catch (error) {
    const isOnlyUntrusted = error instanceof UntrustedFile && ['owner', 'writable'].includes(error.problem);
    if (untrusted === undefined || !isOnlyUntrusted) throw error;
    untrusted.push(`${error.message}; ${error.remedy}`);
    return readFileSync(file);
  }
}

function refused(problems: PolicyProblem[]): ReadPolicy {
  return { loaded: null, problems };
}
