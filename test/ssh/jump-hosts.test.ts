import type { Connection } from '../../src/ssh/builtin/connection';
import type { Driver } from '../../src/ssh/driver';
import { JumpHosts } from '../../src/ssh/jump-hosts';
import { LoginGate } from '../../src/ssh/login-gate';
import type { SshTarget } from '../../src/ssh/transport';
import { targetOn } from './support';

class FakeConnection implements Connection {
  closed = false;
  private readonly listeners: (() => void)[] = [];

  constructor(
    readonly target: SshTarget,
    readonly via: FakeConnection | null,
  ) {}

  exec = () => Promise.reject(new Error('not asked for'));

  onClose(listener: () => void): void {
    this.listeners.push(listener);
  }

  end(): void {
    this.closed = true;
    for (const listener of this.listeners.splice(0)) listener();
  }
}

class FakeDriver implements Driver<FakeConnection> {
  readonly made: FakeConnection[] = [];
  running = 0;
  most = 0;
  failures: Error[] = [];

  async connect(target: SshTarget, via: FakeConnection | null): Promise<FakeConnection> {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.running -= 1;
    const failure = this.failures.pop();
    if (failure !== undefined) throw failure;
    const connection = new FakeConnection(target, via);
    this.made.push(connection);
    return connection;
  }

  async probe(target: SshTarget, via: FakeConnection | null): Promise<void> {
    (await this.connect(target, via)).end();
  }

  close(): void {
    // Nothing to remove.
  }
}

const hop = (host: string) => ({ host, port: 22, user: 'u', identity: 'id', hostKeys: ['k'] });
const behind = (name: string, ...hosts: string[]) => targetOn(22, ['k'], { name, host: name, jump: hosts.map(hop) });

describe('src/ssh/jump-hosts', () => {
  afterEach(() => jest.useRealTimers());

  it('connects to each jump host once, through the previous one, and to at most eight at a time', async () => {
    const driver = new FakeDriver();
    const hosts = new JumpHosts(driver, 60_000, new LoginGate());
    const names = Array.from({ length: 30 }, (_, index) => `n${index}`);
    const connections = await Promise.all(names.map((name) => hosts.connect(behind(name, 'outer', 'inner'))));
    expect(driver.made.slice(0, 2).map(({ target, via }) => [target.name, via?.target.host])).toEqual([
      ['the jump host outer', undefined],
      ['the jump host inner', 'outer'],
    ]);
    expect(driver.made).toHaveLength(32);
    expect(driver.most).toBe(8);
    expect(new Set(connections.map(({ via }) => via?.target.host))).toEqual(new Set(['inner']));
    hosts.close();
    expect(driver.made.slice(0, 2).map(({ closed }) => closed)).toEqual([true, true]);
  });

  it('closes the connection to a jump host some time after the last connection behind it', async () => {
    const driver = new FakeDriver();
    const hosts = new JumpHosts(driver, 20_000, new LoginGate());
    const [first, second] = [await hosts.connect(behind('a', 'outer')), await hosts.connect(behind('b', 'outer'))];
    jest.useFakeTimers();
    first.end();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(driver.made[0]?.closed).toBe(false);
    second.end();
    await jest.advanceTimersByTimeAsync(19_000);
    expect(driver.made[0]?.closed).toBe(false);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(driver.made[0]?.closed).toBe(true);
    jest.useRealTimers();
    await hosts.connect(behind('c', 'outer'));
    expect(driver.made.filter(({ target }) => target.host === 'outer')).toHaveLength(2);
    hosts.close();
  });

  it('reconnects to a jump host that failed, was lost, or died silently', async () => {
    const driver = new FakeDriver();
    const hosts = new JumpHosts(driver, 60_000, new LoginGate());
    driver.failures = [new Error('no')];
    await expect(hosts.connect(behind('a', 'outer'))).rejects.toThrow('no');
    await hosts.connect(behind('a', 'outer'));
    driver.made[0]?.end();
    await hosts.connect(behind('b', 'outer'));
    const outer = driver.made.filter(({ target }) => target.host === 'outer');
    expect(outer).toHaveLength(2);
    if (outer[1] !== undefined) outer[1].closed = true;
    await hosts.connect(behind('c', 'outer'));
    expect(driver.made.filter(({ target }) => target.host === 'outer')).toHaveLength(3);
    hosts.close();
  });

  it('never shares a jump host between targets with different addresses, logins or keys', async () => {
    const driver = new FakeDriver();
    const hosts = new JumpHosts(driver, 60_000, new LoginGate());
    const target = behind('a', 'outer');
    await hosts.connect(target);
    for (const difference of [{ user: 'v' }, { identity: 'other' }, { hostKeys: ['other'] }, { port: 23 }]) {
      await hosts.connect({ ...target, jump: [{ ...hop('outer'), ...difference }] });
    }
    expect(driver.made.filter(({ target: { host } }) => host === 'outer')).toHaveLength(5);
    hosts.close();
  });
});
