/** What one activity needs to work on one node. */
import type { NodeProgress } from '../domain/node-report';
import type { Outage } from './outage';
import type { RemoteNode } from './remote-node';

export interface Session {
  node: RemoteNode;
  outage: Outage;
  /** Aborted when the activity is cancelled or the worker shuts down: stop following, leave the node as it is. */
  signal: AbortSignal;
  now: () => number;
  /** Shows what is going on; fields left out stay as they are, undefined clears one. */
  show(progress: { [K in keyof Omit<NodeProgress, 'step'>]?: NodeProgress[K] | undefined }): void;
}
