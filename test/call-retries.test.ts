import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Connection } from '@temporalio/client';
import { CALL_RETRIES } from '../src/call-retries';

describe('src/call-retries', () => {
  it('ends a call that waits for its next attempt when the connection is closed', async () => {
    // Whoever connects is refused at once, so that a call is retried.
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connection = Connection.lazy({ address: `127.0.0.1:${port}`, interceptors: [...CALL_RETRIES] });

    const call = connection.withDeadline(Date.now() + 20_000, () => connection.workflowService.getSystemInfo({}));
    const end = call.then(
      () => 'an answer',
      (error: unknown) => String(error),
    );
    await once(server, 'connection');
    await connection.close();

    expect(await end).toMatch(/shut down|closed|UNAVAILABLE|CANCELLED/i);
    server.close();
  });
});
