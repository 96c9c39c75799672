/** What the two transports have in common. */
import type { SshTarget } from './transport';

/** One way to make connections; `via` is one of its own, or null for a direct connection. */
export interface Driver<C> {
  connect(target: SshTarget, via: C | null): Promise<C>;
  /** Removes what ended connections may have left. */
  close(): void;
}
