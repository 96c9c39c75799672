/** Types of package manager failures. */
import type { ErrorType } from '../../domain/shared/errors';

/**
 * What a retry can achieve. `transient`: the failure may resolve by itself. `decision`: needs a decision by a person.
 * `permanent`: the node or its configuration has to be changed first.
 */
export type RetryClass = 'transient' | 'decision' | 'permanent';

export interface Failure {
  type: ErrorType;
  retry: RetryClass;
  what: string;
  remedy: string;
  /** The failure when no package was left half-installed, so that no repair is needed. */
  undamaged?: Omit<Failure, 'undamaged'>;
}

/** The cause as named by the package manager. */
export interface Cause {
  /** In the package manager's words, with up to three lines of explanation; empty when it names none. */
  reason: string;
  /** All output about the cause, for the failure tables; null to use the whole log. */
  text: string | null;
}
