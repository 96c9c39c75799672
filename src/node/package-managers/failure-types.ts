/** What is known of a failure before it has become an error. */
import type { ErrorType } from '../../domain/shared/errors';

/**
 * What another try can do. `transient`: it may pass by itself. `decision`: a person has to decide, nothing else helps.
 * `permanent`: the node or its configuration has to be changed first.
 */
export type RetryClass = 'transient' | 'decision' | 'permanent';

export interface Failure {
  type: ErrorType;
  retry: RetryClass;
  what: string;
  remedy: string;
  /** What it is instead where no package was left half-way, so that there is nothing to repair. */
  undamaged?: Omit<Failure, 'undamaged'>;
}

/** What the package manager itself names as the cause. */
export interface Cause {
  /** In its own words, with up to three lines of its reason; empty when it names none. */
  reason: string;
  /** All it said about that, for the tables; null when the whole log has to do. */
  text: string | null;
}
