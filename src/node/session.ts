/** The dependencies of an activity that works on one node. */
import type { NodeProgress } from '../domain/node/report';
import type { ContentionTracker } from './contention';
import type { ReachabilityTracker } from './reachability';
import type { RemoteNode } from './remote-node';
import type { StepLimit } from './step-limit';

export type BegunJobs = Partial<Record<'plan' | 'repair', number>>;

export interface Session {
  node: RemoteNode;
  reachability: ReachabilityTracker;
  /** Tracks waits for others who occupy the node. */
  others: ContentionTracker;
  /**
   * Numbers of jobs started by this step whose results have not been used yet. A retry continues with them, so that no
   * second job is started.
   */
  jobs: BegunJobs;
  /** Aborted when the activity is cancelled or the worker shuts down: stop following, leave the node as it is. */
  signal: AbortSignal;
  now: () => number;
  /**
   * For a job that changes the node: how long earlier calls have followed it, and whether they have reported that it
   * does not end. Absent: a job that may be abandoned.
   */
  transaction?: { followedMs: number; isReported: boolean; note(followedMs: number): void };
  /** Checked before each pause. Absent: the step has no limit of its own. */
  limit?: StepLimit;
  /** Updates the displayed progress; absent fields are kept, undefined clears a field. */
  show(progress: { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined }): void;
}
