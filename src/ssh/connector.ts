/** Connects to a target: selects the transport and passes through the jump hosts. */
import type { Connection, SshConnectOptions } from './builtin/connection';
import { Ssh2Driver } from './builtin/connection';
import { JumpHosts } from './jump-hosts';
import { LoginGate } from './login-gate';
import { OpensshDriver } from './openssh/connection';
import type { SshTarget } from './transport';

export interface Connector {
  connect(target: SshTarget): Promise<Connection>;
  /** Verifies the host key without a login. */
  probe(target: SshTarget): Promise<void>;
  /** Closes the connections to jump hosts and removes all temporary files. */
  close(): void;
}

/** `idleMs`: how long an unused jump host stays connected. */
export function createConnector(options: SshConnectOptions, idleMs: number): Connector {
  const drivers = { builtin: new Ssh2Driver(options), openssh: new OpensshDriver(options) };
  const gate = new LoginGate();
  const hops = {
    builtin: new JumpHosts(drivers.builtin, idleMs, gate),
    openssh: new JumpHosts(drivers.openssh, idleMs, gate),
  };
  return {
    connect: (target) => hops[target.transport ?? 'builtin'].connect(target),
    probe: (target) => hops[target.transport ?? 'builtin'].probe(target),
    close() {
      hops.builtin.close();
      hops.openssh.close();
      drivers.builtin.close();
      drivers.openssh.close();
    },
  };
}
