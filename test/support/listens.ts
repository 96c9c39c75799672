import type { NetConnectOpts } from 'node:net';
import { connect } from 'node:net';

/** Whether the address accepts connections. */
export function listens(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
