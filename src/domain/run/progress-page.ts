import { pageOfItems } from '../cluster/status-pages';
import type { RunProgressPage } from './run';

/** The answer of the `progress` query: settled nodes from `from` on, as many as fit. */
export function progressPage(progress: RunProgressPage, range: { from?: number; limit?: number }): RunProgressPage {
  const { items, next } = pageOfItems(progress.settled, range);
  return { ...progress, settled: items, next };
}
