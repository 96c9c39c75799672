import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { DURATION_FORMAT, isDuration, parseDuration } from '../../domain/shared/duration';
import { defined } from '../../domain/shared/defined';

/** Options of all commands that connect to Temporal; undefined: from the environment or the profile. */
export interface GlobalOptions {
  address?: string;
  namespace?: string;
  profile?: string;
  /** Path of the key with which requests are signed. */
  signWith?: string;
  /** Deadline of each call, in milliseconds. */
  timeoutMs: number;
}

/** Adds the global options to the program, accepted before or after the command. */
export function addGlobalOptions(program: Command): void {
  program
    .option('--address <host:port>', 'Temporal server (default: as the temporal CLI, else localhost:7233)')
    .option('--namespace <name>', 'Temporal namespace (default: as the temporal CLI, else default)')
    .option('--profile <name>', 'profile in the Temporal configuration file')
    .option(
      '--sign-with <key>',
      'sign requests with this SSH key, or public key of the agent (default: OSPATCH_SIGNING_KEY)',
    )
    .addOption(
      new Option('--timeout <duration>', 'deadline of each call to the server')
        .default(parseDuration('15s'), '15s')
        .argParser(parseTimeout),
    );
}

/** The global options on the command line of `command`. */
export function globalOptions(command: Command): GlobalOptions {
  const { address, namespace, profile, signWith, timeout } = command.optsWithGlobals<{
    address?: string;
    namespace?: string;
    profile?: string;
    signWith?: string;
    timeout: number;
  }>();
  return {
    ...defined({ address, namespace, profile, signWith }),
    timeoutMs: timeout,
  };
}

function parseTimeout(text: string): number {
  if (isDuration(text) && parseDuration(text) > 0) return parseDuration(text);
  throw new InvalidArgumentError(`Allowed: ${DURATION_FORMAT}.`);
}
