/** The passphrase of an encrypted key, from a file beside the key or from a command on the worker. Never logged. */
import { OspatchError } from '../../domain/shared/errors';
import { programEnvironment } from '../../programs/environment';
import { findProgram } from '../../programs/find-program';
import { runWorkerProgram } from '../../programs/run-program';

const COMMAND_TIMEOUT_MS = 10_000;
const MAX_PASSPHRASE_BYTES = 4_096;

/** Where password managers and the credentials of a service find what they need; no secrets. */
const PASSED = [
  ...['XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'DBUS_SESSION_BUS_ADDRESS', 'CREDENTIALS_DIRECTORY'],
  ...['GNUPGHOME', 'PASSWORD_STORE_DIR'],
];

/**
 * Parses `OSPATCH_PASSPHRASE_COMMAND`: a JSON array of strings, program first; undefined when it is not set.
 *
 * @throws OspatchError `Usage`
 */
export function parsePassphraseCommand(text: string | undefined): readonly string[] | undefined {
  if (text === undefined || text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== '')) {
    return value as string[];
  }
  // The value is not quoted, because it may contain a secret by mistake.
  throw new OspatchError({
    type: 'Usage',
    message: 'OSPATCH_PASSPHRASE_COMMAND is not a JSON array of strings, program first, e.g. ["pass", "show"]',
  });
}

/**
 * The passphrase of `identity`: from `readFile`, else from the command. The command gets the name of the identity as
 * its last argument and runs without a shell for at most 10 s; one trailing line end is removed.
 *
 * @throws OspatchError `IdentityUnavailable`
 */
export async function findPassphrase(
  identity: string,
  options: { passphraseCommand?: readonly string[]; timeoutMs?: number },
  readFile: () => Promise<Buffer | undefined>,
): Promise<Buffer> {
  const stored = await readFile();
  if (stored !== undefined) return withoutLineEnd(stored);
  const { passphraseCommand, timeoutMs = COMMAND_TIMEOUT_MS } = options;
  if (passphraseCommand === undefined) {
    throw unavailable(
      `the key "${identity}" is encrypted, and the worker has no passphrase for it`,
      `put it into the file ${identity}.passphrase beside the key (mode 0600), set OSPATCH_PASSPHRASE_COMMAND, or use an ssh-agent`,
    );
  }
  const outcome = await run(passphraseCommand, identity, timeoutMs);
  if (typeof outcome === 'string') {
    throw unavailable(
      `the key "${identity}" is encrypted, and the passphrase command of the worker ${outcome}`,
      'try it by hand as the user the worker runs as: OSPATCH_PASSPHRASE_COMMAND',
    );
  }
  return withoutLineEnd(outcome);
}

/** The command's output, or why it is unusable. The output appears in no message. */
async function run(
  [command = '', ...args]: readonly string[],
  identity: string,
  timeoutMs: number,
): Promise<Buffer | string> {
  const env = programEnvironment({ pass: PASSED });
  const program = findProgram(command, {
    searchPath: env['PATH'] ?? '',
    what: `the passphrase command of the worker (OSPATCH_PASSPHRASE_COMMAND)`,
    type: 'IdentityUnavailable',
  });
  if (program === null) return 'cannot be run';
  const options = { args: [...args, identity], env, timeoutMs, maxBytes: MAX_PASSPHRASE_BYTES };
  const { end, stdout } = await runWorkerProgram(program, options);
  if (end.kind === 'too-much') return `prints more than ${MAX_PASSPHRASE_BYTES} bytes`;
  if (end.kind === 'timeout') return `has not ended within ${timeoutMs / 1000} s`;
  if (end.kind === 'not-started') return 'cannot be run';
  if (end.kind === 'signal') return `was ended by ${end.signal}`;
  if (end.code !== 0) return `exited with code ${end.code}`;
  return stdout.length === 0 ? 'prints nothing' : stdout;
}

function withoutLineEnd(text: Buffer): Buffer {
  const end = /\r?\n$/.exec(text.toString('latin1'))?.[0].length ?? 0;
  return text.subarray(0, text.length - end);
}

function unavailable(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'IdentityUnavailable', message, remedy });
}
