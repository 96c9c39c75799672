/** The common interface of the two transports. */
import type { LoginAttempt } from './login-gate';
import type { SshTarget } from './transport';

export interface Driver<C> {
  /** `via`: a connection of the same driver, or null for a direct one. `attempt` is told how far the login got. */
  connect(target: SshTarget, via: C | null, attempt: LoginAttempt): Promise<C>;
  /** Ends after the key exchange, without a login. @throws OspatchError `HostKeyMismatch` */
  probe(target: SshTarget, via: C | null, attempt: LoginAttempt): Promise<void>;
  /** Removes leftovers of ended connections. */
  close(): void;
}
