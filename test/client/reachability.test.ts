import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connectProblem } from '../../src/client/reachability';

describe('src/client/reachability', () => {
  it('finds nothing wrong with a port on which somebody listens, and names a refused connection', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await connectProblem(address, {})).toBeNull();
    await new Promise((resolve) => server.close(resolve));
    expect(await connectProblem(address, {})).toBe('refused');
  });

  it('names an unknown host', async () => {
    expect(await connectProblem('no-such-host.invalid:7233', {})).toMatch(/^(unknown-host|no-dns)$/);
  });

  it.each([
    ['127.0.0.1:1', { https_proxy: 'http://proxy:3128' }],
    ['dns:///127.0.0.1:1', {}],
    ['unix:/run/temporal.sock', {}],
  ])('leaves %s to gRPC with %j', async (address, env) => {
    expect(await connectProblem(address, env)).toBeNull();
  });
});
