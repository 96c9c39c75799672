/** Connections to jump hosts, shared by all targets behind them. */
import { parseAddress } from '../domain/policy/addresses';
import { isOspatchError } from '../domain/shared/errors';
import { addressesWithin } from './addresses';
import type { Connection } from './builtin/connection';
import type { Driver } from './driver';
import type { LoginAttempt, LoginGate } from './login-gate';
import { Semaphore } from '../retry/semaphore';
import type { SshEndpoint, SshTarget } from './transport';

/** Below the ten unauthenticated connections and ten sessions that an sshd allows by default. */
const OPENINGS_AT_ONCE = 8;

interface Hop<C extends Connection> {
  connection: Promise<C>;
  opened: C | null;
  users: number;
  idle: NodeJS.Timeout | undefined;
  openings: Semaphore;
}

export class JumpHosts<C extends Connection> {
  private readonly hops = new Map<string, Hop<C>>();

  constructor(
    private readonly driver: Driver<C>,
    private readonly idleMs: number,
    private readonly gate: LoginGate,
  ) {}

  /**
   * Connects to `target` through its jump hosts. A failure names the machine that failed.
   *
   * @throws OspatchError `Unreachable`, `HostKeyMismatch`, `AuthFailed` or `IdentityUnavailable`
   */
  async connect(target: SshTarget): Promise<C> {
    return this.through(target, (direct, via, attempt, keep) =>
      this.atAddress(direct, (one) => this.driver.connect(one, via, attempt)).then((connection) => {
        connection.onClose(keep());
        return connection;
      }),
    );
  }

  /** The same, to the end of the key exchange with `target`: its host key is verified, and nobody logs in. */
  probe(target: SshTarget): Promise<void> {
    return this.through(target, (direct, via, attempt) =>
      this.atAddress(direct, (one) => this.driver.probe(one, via, attempt)),
    );
  }

  /** `work` may `keep` the jump host in use, until what that returns is called. */
  private async through<T>(
    target: SshTarget,
    work: (direct: SshTarget, via: C | null, attempt: LoginAttempt, keep: () => () => void) => Promise<T>,
  ): Promise<T> {
    const { jump = [], ...direct } = target;
    const route = jump.map(({ host, port }) => JSON.stringify([host.toLowerCase(), port]));
    if (jump.length === 0) {
      return this.gate.run(direct, route, (attempt) => work(direct, null, attempt, () => () => undefined));
    }
    const hop = this.use(jump);
    let isKept = false;
    const keep = (): (() => void) => {
      isKept = true;
      return () => this.release(jump, hop);
    };
    try {
      const via = await hop.connection;
      return await this.gate.run(direct, route, (attempt) => hop.openings.run(() => work(direct, via, attempt, keep)));
    } finally {
      if (!isKept) this.release(jump, hop);
    }
  }

  /** A bounded name is resolved here, also behind a jump host, which would be free to resolve it otherwise. */
  private async atAddress<T>(target: SshTarget, work: (target: SshTarget) => Promise<T>): Promise<T> {
    const { within } = target;
    if (within === undefined || parseAddress(target.host) !== null) return work(target);
    const [first = target.host, ...others] = await addressesWithin(target, within);
    let result = work({ ...target, address: first });
    for (const address of others) {
      result = result.catch((error: unknown) => {
        if (!isOspatchError(error) || error.type !== 'Unreachable') throw error;
        return work({ ...target, address });
      });
    }
    return result;
  }

  close(): void {
    for (const hop of this.hops.values()) {
      clearTimeout(hop.idle);
      hop.opened?.end();
    }
    this.hops.clear();
  }

  private use(chain: readonly SshEndpoint[]): Hop<C> {
    const key = JSON.stringify(chain);
    const known = this.hops.get(key);
    const hop = known === undefined || known.opened?.closed === true ? this.add(key, chain) : known;
    hop.users += 1;
    clearTimeout(hop.idle);
    return hop;
  }

  private add(key: string, chain: readonly SshEndpoint[]): Hop<C> {
    const last = chain[chain.length - 1] as SshEndpoint;
    const target = { ...last, name: `the jump host ${last.host}`, jump: chain.slice(0, -1) };
    const hop: Hop<C> = {
      connection: this.connect(target),
      opened: null,
      users: 0,
      idle: undefined,
      openings: new Semaphore(OPENINGS_AT_ONCE),
    };
    const drop = (): void => {
      clearTimeout(hop.idle);
      if (this.hops.get(key) === hop) this.hops.delete(key);
    };
    hop.connection.then((connection) => {
      hop.opened = connection;
      connection.onClose(drop);
    }, drop);
    this.hops.set(key, hop);
    return hop;
  }

  private release(chain: readonly SshEndpoint[], hop: Hop<C>): void {
    hop.users -= 1;
    if (hop.users > 0) return;
    hop.idle = setTimeout(() => {
      const key = JSON.stringify(chain);
      if (this.hops.get(key) === hop) this.hops.delete(key);
      hop.opened?.end();
    }, this.idleMs);
    hop.idle.unref();
  }
}
