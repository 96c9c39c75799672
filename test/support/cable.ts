/** The way to a server, which can be cut. */
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export class Cable {
  private readonly sockets = new Set<Socket>();
  private isCut = false;
  private readonly server: net.Server;

  /** `to`: `host:port`. */
  constructor(to: string) {
    const [host = '', port = ''] = to.split(':');
    this.server = net.createServer((from) => {
      if (this.isCut) return void from.destroy();
      const far = net.connect(Number(port), host);
      for (const [one, other] of [
        [from, far],
        [far, from],
      ] as const) {
        this.sockets.add(one);
        one.pipe(other);
        one.on('error', () => undefined).on('close', () => (other.destroy(), this.sockets.delete(one)));
      }
    });
  }

  /** Returns the address of this end, `host:port`. */
  async plug(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  remove(): void {
    this.cut();
    this.server.close();
  }
}
