/** The common interface of the two transports. */
import type { SshTarget } from './transport';

/** Makes connections; `via` is a connection of the same driver, or null for a direct connection. */
export interface Driver<C> {
  connect(target: SshTarget, via: C | null): Promise<C>;
  /** Removes leftovers of ended connections. */
  close(): void;
}
