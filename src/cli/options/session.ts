import type { Command } from 'commander';
import type { ClusterClient } from '../../client/cluster-client';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { globalOptions } from './global-options';

/**
 * Runs the body of a command with a connection according to the global options, and closes the connection. An error is
 * printed to standard error and sets the exit code.
 */
export function runWithClient(
  context: CliContext,
  command: Command,
  body: (client: ClusterClient) => Promise<void>,
): Promise<void> {
  return runCommand(context, () => withClient(command, body));
}

/** What ssh-keygen asks for at the terminal while it signs, e.g. to touch a token. */
const onSigning = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/**
 * Opens a connection for `body` and closes it afterwards. `atMostMs`: limits the deadline of each call.
 * @throws OspatchError `NoServer`, `Usage`
 */
export async function withClient<T>(
  command: Command,
  body: (client: ClusterClient) => Promise<T>,
  atMostMs = Infinity,
): Promise<T> {
  const { ClusterClient: Client } = await import('../../client/cluster-client.js');
  const { timeoutMs, ...where } = globalOptions(command);
  const client = await Client.connect({ ...where, onSigning, deadlineMs: Math.min(timeoutMs, atMostMs) });
  try {
    return await body(client);
  } finally {
    await client.close();
  }
}
