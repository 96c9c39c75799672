/** One message per run, by id, whatever dies; nothing of the cluster waits for a receiver that is down. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createNotificationActivities } from '../../../src/activities/notifications';
import { PolicyFile } from '../../../src/policy/policy-file';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import { Harness } from '../harness';

let harness: Harness;
let server: Server;
let isDown = true;
let refused = 0;
const received: { id: string; type: string; data: { title: string } }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      if (isDown) {
        refused += 1;
        return response.writeHead(503, { 'retry-after': '1' }).end();
      }
      received.push(JSON.parse(body) as (typeof received)[number]);
      return response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  harness = await Harness.start('real');
});

afterAll(async () => {
  server.close();
  await harness.stop();
});

const log = { info: () => undefined, warn: () => undefined } as never;

describe('src/workflows/notify', () => {
  it('delivers what a receiver that was down has missed, once, over workers and histories of the cluster', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const cluster = harness.newCluster();
    const activities = createNotificationActivities({
      ...{ notificationsFile: null, secretDir: '/nonexistent', notifyDir: null, policy: new PolicyFile(null), log },
    });
    const spec = clusterSpec(['w-1'], {}, cluster.name);
    const target = { name: 'ops', on: ['run-started' as const, 'run-finished' as const], webhook: { url } };
    try {
      await harness.withWorkerFor(
        cluster,
        async () => {
          await cluster.apply({ ...spec, notifications: [target] } as typeof spec);
          await cluster.handle.signal('patchNow');
          // The run does not wait for the receiver.
          await cluster.untilIdle(1);
          await waitFor(() => refused >= 3, { what: 'the receiver to be asked in vain' });
        },
        activities,
      );
      isDown = false;
      await harness.withWorkerFor(
        cluster,
        async () => {
          await waitFor(() => received.length > 0, { what: 'the message' });
          await waitFor(
            async () => {
              const { events } = await cluster.handle.query<{ events: { message: string }[] }, []>('events');
              return events.some(({ message }) => message.includes('delivered to ops'));
            },
            { what: 'the event' },
          );
        },
        activities,
      );
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
    // The message that the run had started was overtaken.
    expect(new Set(received.map(({ id }) => id)).size).toBe(1);
    expect(received[0]).toMatchObject({
      type: 'ospatch.run-finished',
      data: { title: 'Run 1 succeeded: 1 node patched' },
    });
  });
});
