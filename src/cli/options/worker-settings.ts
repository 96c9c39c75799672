import { existsSync } from 'node:fs';
import { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { colors, printNote } from '../io/output';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Validates the settings of a worker. @throws OspatchError `Usage` */
export function checkWorkerSettings(context: CliContext, settings: { keyDir: string; logLevel: string }): void {
  const { keyDir, logLevel } = settings;
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new OspatchError({
      type: 'Usage',
      message: `OSPATCH_LOG_LEVEL: found ${JSON.stringify(logLevel)}; allowed: ${LOG_LEVELS.join(', ')}`,
    });
  }
  if (!existsSync(keyDir) && context.env['OSPATCH_KEY_DIR'] !== undefined) {
    const warning = colors(context, 'stderr').yellow('warning:');
    printNote(
      context,
      `${warning} there is no key directory ${keyDir}, so only the identity agent can be used; correct OSPATCH_KEY_DIR`,
    );
  }
}

/** The error of a worker that could not continue. */
export function workerFailure(error: unknown, address: string): OspatchError {
  const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
  return new OspatchError(
    {
      type: 'NoServer',
      message: `the worker at ${address} could not continue: ${why}`,
      remedy: 'check that Temporal runs, then start it again; nothing is lost',
    },
    { cause: error },
  );
}
