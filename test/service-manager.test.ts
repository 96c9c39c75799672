import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ServiceManager } from '../src/service-manager';
import { waitFor } from './support/wait-for';

describe('src/service-manager', () => {
  let dir: string;
  let warnings: string[];
  const log = { warn: (fields: Record<string, unknown>): number => warnings.push(String(fields['why'])) };

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-notify-'));
    warnings = [];
    writeFileSync(path.join(dir, 'told'), '');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** In the place of systemd-notify; keeps what it is told, and with which variables. */
  function install(body = `echo "$NOTIFY_SOCKET $*" >> ${dir}/told`): void {
    const program = path.join(dir, 'systemd-notify');
    writeFileSync(program, `#!/bin/sh\n${body}\n`);
    chmodSync(program, 0o755);
  }

  const told = (): string[] => readFileSync(path.join(dir, 'told'), 'utf8').split('\n').slice(0, -1);
  const manager = (env: NodeJS.ProcessEnv): ServiceManager =>
    new ServiceManager({ env: { NOTIFY_SOCKET: '/run/n', ...env }, log, searchPath: dir });

  test('tells systemd in this order that the worker is ready, and that it stops', async () => {
    install();
    const service = manager({});
    service.ready('polls ospatch', () => true);
    await service.stopping('stopped');
    expect(told()).toEqual(['/run/n READY=1 STATUS=polls ospatch', '/run/n STOPPING=1 STATUS=stopped']);
    expect(warnings).toEqual([]);
  });

  test('feeds the watchdog of this process while the worker is alive, and not afterwards', async () => {
    install();
    let isAlive = true;
    const service = manager({ WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid) });
    service.ready('', () => isAlive);
    await waitFor(() => told().filter((line) => line.endsWith('WATCHDOG=1')).length >= 2, {
      what: 'the watchdog to be fed twice',
    });
    isAlive = false;
    await service.stopping('stopped');
    const count = told().length;
    expect(told().at(-1)).toContain('STOPPING=1');
    // Longer than several intervals of the watchdog.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told()).toHaveLength(count);
  });

  test.each([{ WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' }, { WATCHDOG_USEC: 'x' }, {}])(
    'has no watchdog with %j',
    async (env) => {
      install();
      const service = manager(env);
      service.ready('', () => true);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await service.stopping('');
      expect(told().join()).not.toContain('WATCHDOG');
    },
  );

  test('tells nobody where there is no systemd', async () => {
    install();
    const service = manager({ NOTIFY_SOCKET: undefined, WATCHDOG_USEC: '1000' });
    service.ready('', () => true);
    await service.stopping('');
    expect(told()).toEqual([]);
  });

  test('goes on, with one warning, when systemd cannot be told', async () => {
    install('echo "Failed to notify init system" >&2; exit 1');
    const service = manager({});
    service.ready('', () => true);
    await service.stopping('');
    expect(warnings).toEqual([expect.stringContaining('Failed to notify init system')]);
    rmSync(path.join(dir, 'systemd-notify'));
    const without = manager({});
    without.ready('', () => true);
    await without.stopping('');
    expect(warnings).toEqual([expect.anything(), 'there is no program systemd-notify']);
  });
});
