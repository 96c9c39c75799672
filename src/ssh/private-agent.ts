/**
 * An ssh-agent for one login of the OpenSSH client with one key that this process has decrypted. The key does not leave
 * the process, and the client asks no one for a passphrase.
 */
import { createServer } from 'node:net';
import type { ParsedKey } from 'ssh2';
import { AgentProtocol } from 'ssh2';

/** Listens on a socket below a directory that only this user may enter. `stop` ends it. */
export async function startPrivateAgent(socket: string, key: ParsedKey): Promise<{ stop(): void }> {
  const server = createServer((connection) => {
    const protocol = new AgentProtocol(false);
    connection.on('error', () => undefined);
    protocol.on('error', () => connection.destroy());
    protocol.on('identities', (request) => protocol.getIdentitiesReply(request, [key]));
    protocol.on('sign', (request, asked, data, { hash }) => {
      const signature = key.getPublicSSH().equals(asked.getPublicSSH()) ? key.sign(data, hash) : null;
      if (Buffer.isBuffer(signature)) protocol.signReply(request, signature);
      else protocol.failureReply(request);
    });
    connection.pipe(protocol).pipe(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  server.unref();
  return { stop: () => server.close() };
}
