import { pageOfItems } from '../cluster/status-pages';
import type { RolloutProgress } from './run';

/** The answer of the `progress` query: as many settled nodes as fit, from `from` on. */
export function progressPage(progress: RolloutProgress, range: { from?: number; limit?: number }): RolloutProgress {
  const { items, next } = pageOfItems(progress.settled, range);
  return { ...progress, settled: items, next };
}
