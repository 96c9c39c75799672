/** Fingerprints that somebody has read on the consoles of the nodes, for an enrolment without questions. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseHostKey } from '../../../domain/trust/host-keys';
import { knownHostsName } from '../../../domain/trust/known-hosts';
import { OspatchError } from '../../../domain/shared/errors';
import { codeOf } from '../../../domain/shared/error-code';
import { plainText } from '../../../domain/shared/text';

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** The fingerprints that a machine may have, each with its key, `TYPE BASE64`, where the user gave that. */
export type ExpectedOfMachine = ReadonlyMap<string, string | null>;

/** By name: that of a node in the spec, or an address, `ADDRESS:PORT` or `[ADDRESS]:PORT`. */
export type ExpectedKeys = ReadonlyMap<string, ExpectedOfMachine>;

/** Whether `text` is a fingerprint itself, and not the name of a file. */
export function isFingerprint(text: string): boolean {
  return FINGERPRINT.test(text);
}

/** `file`: `-` for standard input. @throws OspatchError `Usage` */
export async function readExpected(
  file: string,
  stdin: NodeJS.ReadableStream,
  fingerprint: (key: Buffer) => string,
): Promise<ExpectedKeys> {
  return parseExpected(await textOf(file, stdin), file === '-' ? 'standard input' : file, fingerprint);
}

/**
 * Lines of `NAME SHA256:...` or `NAME TYPE BASE64`; the rest of a line, and lines that begin with `#`, are comments. A
 * name may have several lines.
 *
 * @throws OspatchError `Usage`
 */
export function parseExpected(text: string, file: string, fingerprint: (key: Buffer) => string): ExpectedKeys {
  const expected = new Map<string, Map<string, string | null>>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [name = '', second = '', third = ''] = line.trim().split(/\s+/);
    if (name === '' || name.startsWith('#')) continue;
    const key = FINGERPRINT.test(second) ? null : parseHostKey(`${second} ${third}`);
    if (key === null && !FINGERPRINT.test(second)) {
      throw new OspatchError({
        type: 'Usage',
        message: `${file}: line ${index + 1}: found "${plainText(line.trim(), 100)}"; allowed: a node or address and its fingerprint, e.g. w-1 SHA256:..., or its public host key, e.g. w-1 ssh-ed25519 AAAA...`,
        remedy: 'read the fingerprint on the console of the node: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
      });
    }
    const print = key === null ? second : fingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64'));
    const wanted = name.toLowerCase();
    expected.set(wanted, (expected.get(wanted) ?? new Map<string, string | null>()).set(print, key));
  }
  return expected;
}

/** Empty: the file does not mention this machine. */
export function expectedOf(
  expected: ExpectedKeys,
  { name, host, port }: { name: string; host: string; port: number },
): ExpectedOfMachine {
  // That of the address alone is for the default port only, as in known_hosts.
  const names = new Set([name.toLowerCase(), knownHostsName(host, port), `${host.toLowerCase()}:${port}`]);
  return new Map([...names].flatMap((one) => [...(expected.get(one) ?? [])]));
}

async function textOf(file: string, stdin: NodeJS.ReadableStream): Promise<string> {
  if (file === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks).toString('utf8');
  }
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (/^(?:SHA256|MD5):/i.test(path.basename(file))) throw notTheFile(path.basename(file), cause);
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read (${codeOf(cause) ?? 'unknown reason'})`;
    throw new OspatchError(
      {
        type: 'Usage',
        message: `--expect: ${plainText(file, 200)} ${why}`,
        remedy: 'name a file of fingerprints, or - for standard input',
      },
      { cause },
    );
  }
}

/** A fingerprint where the name of a file belongs, or one that is cut off. */
function notTheFile(text: string, cause: unknown): OspatchError {
  return new OspatchError(
    {
      type: 'Usage',
      message: `--expect: found ${plainText(text, 100)}; allowed: a file with lines of NAME SHA256:..., and with --replace of one node SHA256: with 43 characters`,
      remedy: 'copy the fingerprint of the console in full: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
    },
    { cause },
  );
}
