/** What one activity needs to work on one node. */
import type { NodeProgress } from '../domain/node/report';
import type { OthersAtWork } from './others-at-work';
import type { ReachabilityTracker } from './reachability';
import type { RemoteNode } from './remote-node';

export type BegunJobs = Partial<Record<'plan' | 'repair', number>>;

export interface Session {
  node: RemoteNode;
  reachability: ReachabilityTracker;
  /** Others who are at work on the node. */
  others: OthersAtWork;
  /**
   * Numbers of the jobs that this step has begun on the node and whose end it has not made use of: an attempt that comes
   * after this one goes on with them, so that no second job is started.
   */
  jobs: BegunJobs;
  /** Aborted when the activity is cancelled or the worker shuts down: stop following, leave the node as it is. */
  signal: AbortSignal;
  now: () => number;
  /**
   * For a job that changes the node: how long it was followed by earlier calls, and whether they have said that it does
   * not end. Absent: a job that can be given up.
   */
  transaction?: { followedMs: number; isReported: boolean; note(followedMs: number): void };
  /** Shows what is going on; fields left out stay as they are, undefined clears one. */
  show(progress: { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined }): void;
}
