/** From a target to a connection: picks the transport and goes through the jump hosts. */
import type { Connection, SshConnectOptions } from './builtin/connection';
import { Ssh2Driver } from './builtin/connection';
import { JumpHosts } from './jump-hosts';
import { OpensshDriver } from './openssh/connection';
import type { SshTarget } from './transport';

export interface Connector {
  connect(target: SshTarget): Promise<Connection>;
  /** Ends the connections to jump hosts and removes every temporary file. */
  close(): void;
}

/** `idleMs`: how long a jump host that nobody uses stays connected. */
export function createConnector(options: SshConnectOptions, idleMs: number): Connector {
  const drivers = { builtin: new Ssh2Driver(options), openssh: new OpensshDriver(options) };
  const hops = {
    builtin: new JumpHosts(drivers.builtin, idleMs),
    openssh: new JumpHosts(drivers.openssh, idleMs),
  };
  return {
    connect: (target) => hops[target.transport ?? 'builtin'].connect(target),
    close() {
      hops.builtin.close();
      hops.openssh.close();
      drivers.builtin.close();
      drivers.openssh.close();
    },
  };
}
