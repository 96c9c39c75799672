import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from '../../src/dev/ports';

describe('src/dev/ports', () => {
  const before = process.env['OSPATCH_CACHE'];
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-ports-'));
    process.env['OSPATCH_CACHE'] = dir;
  });

  afterEach(() => {
    rmSync(dir, { recursive: true });
    if (before === undefined) delete process.env['OSPATCH_CACHE'];
    else process.env['OSPATCH_CACHE'] = before;
    jest.restoreAllMocks();
  });

  /** The ports that are tried, in this order. */
  function tried(...ports: number[]): void {
    for (const port of ports) jest.spyOn(Math, 'random').mockReturnValueOnce((port - 20_000) / 12_000 + 1e-9);
  }

  it('are free, distinct and outside the ephemeral range', async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    for (const port of ports) expect(port).toBeLessThan(32_768);
    const server = createServer().listen(ports[0], '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });

  it('are handed out once, although nothing listens on them', async () => {
    const [port = 0] = await freePorts(1);
    tried(port, port);
    expect(await freePorts(1)).not.toEqual([port]);
    expect(readdirSync(path.join(dir, 'ports'))).toHaveLength(2);
  });

  it('of a process that has ended are reused', async () => {
    const [port = 0] = await freePorts(1);
    const file = path.join(dir, 'ports', String(port));
    rmSync(file);
    symlinkSync('1 0', file);
    tried(port, port);
    expect(await freePorts(1)).toEqual([port]);
  });
});
