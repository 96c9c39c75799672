/** Reaching a machine of ours over SSH, by a client that is not the one of ospatch. */
import { connect } from 'node:net';

import type { CommandResult } from '../../src/dev/host';
import { runProgram } from '../../src/dev/host';

export interface SshAccess {
  port: number;
  identityFile: string;
  knownHostsFile: string;
}

/** Runs a shell command on the machine behind a port of 127.0.0.1. Exit code 255 means that SSH itself failed. */
export function runOverSsh(access: SshAccess, user: string, command: string): Promise<CommandResult> {
  const options = [
    ...['-i', access.identityFile, '-p', String(access.port), '-F', 'none'],
    ...['-o', `UserKnownHostsFile=${access.knownHostsFile}`, '-o', 'StrictHostKeyChecking=yes'],
    ...['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=60'],
  ];
  return runProgram('ssh', [...options, `${user}@127.0.0.1`, command]);
}

/** True when an SSH server greets on the port of 127.0.0.1. */
export function answersSsh(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 5_000 });
    const answer = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (data) => answer(data.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
    socket.once('timeout', () => answer(false));
  });
}
