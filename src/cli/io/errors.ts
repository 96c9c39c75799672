import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOspatchError } from '../../domain/shared/errors';
import type { ErrorType, OspatchError } from '../../domain/shared/errors';
import type { CliContext } from './context';
import { colors, printNote } from './output';
import { redactSecrets } from '../../domain/shared/redact';
import { asSentence } from '../../domain/shared/text';

/** Errors in user input, with exit code 2. All other failures have exit code 1. */
const USER_MISTAKES: readonly ErrorType[] = ['Usage', 'InvalidSpec'];

/** Runs the body of a command; an error is printed to standard error and sets the exit code, without a stack trace. */
export async function runCommand(context: CliContext, body: () => Promise<void> | void): Promise<void> {
  try {
    await body();
  } catch (error) {
    reportError(context, error);
  }
}

/** Prints `error: ...` and `  fix: ...`; sets the exit code. */
export function reportError(context: CliContext, error: unknown): void {
  if (isOspatchError(error)) {
    printError(context, error);
    context.setExitCode(USER_MISTAKES.includes(error.type) ? 2 : 1);
    return;
  }
  reportBug(context, error);
  context.setExitCode(1);
}

function printError(context: CliContext, error: OspatchError): void {
  const color = colors(context, 'stderr');
  printNote(context, `${color.red('error:')} ${asSentence(error.message)}`);
  printNote(context, `  ${color.bold('fix:')} ${error.remedy ?? usualRemedy(error.type)}`);
}

/** The remedy of an error without one of its own. */
export function usualRemedy(type: ErrorType): string {
  switch (type) {
    case 'InvalidSpec':
      return 'correct the spec; `ospatch explain --field spec` and docs/spec.md explain its fields';
    case 'Usage':
      return 'correct the command line or the setting; `ospatch COMMAND --help` shows what is allowed';
    case 'Refused':
    case 'NotFound':
      return '`ospatch status NAME` and `ospatch history NAME` show the state of the cluster';
    case 'Cancelled':
    case 'NotTried':
    case 'WindowOver':
      return '`ospatch history NAME` shows who ended the run and why';
    case 'Stuck':
    case 'NoWorker':
    case 'WorkerProtocol':
    case 'NoServer':
      return '`ospatch doctor` names what is wrong with Temporal and the workers';
    case 'Internal':
      return 'see the log of the worker, and `ospatch doctor`';
    default:
      return '`ospatch doctor NAME` inspects the nodes and names a remedy for each finding';
  }
}

function reportBug(context: CliContext, error: unknown): void {
  const color = colors(context, 'stderr');
  const what = redactSecrets(error instanceof Error ? error.message : String(error));
  printNote(context, `${color.red('error:')} this is a bug in ospatch: ${what.split('\n', 1)[0]}`);
  const trace = writeTrace(context, error);
  if (trace !== null) printNote(context, `  ${color.bold('fix:')} please report it together with the file ${trace}`);
}

function writeTrace(context: CliContext, error: unknown): string | null {
  const stamp = new Date(context.now()).toISOString().replace(/[:.]/g, '-');
  const file = join(tmpdir(), `ospatch-error-${stamp}-${process.pid}.log`);
  // It is sent to others: the text of a library may quote what it was given.
  const text = redactSecrets(error instanceof Error ? (error.stack ?? error.message) : String(error));
  try {
    // Does not follow a link created by another user, and is readable only by the owner.
    writeFileSync(file, `${text}\n`, { flag: 'wx', mode: 0o600 });
    return file;
  } catch {
    return null;
  }
}
