/** What is said of the log of a node. */
import type { LogNews } from '../../client/cluster-client';

export function describeNoLog(node: string | null): string {
  return `no log on ${node}: ospatch has not patched it yet`;
}

export function describeCutLog(node: string | null): string {
  return `the log was cut; all of it is in the run directory of ospatch on ${node}`;
}

/** What is said beside the lines of a log that is followed; `lines`: whether there were any so far. */
export function describeNews(
  news: Exclude<LogNews, { kind: 'lines' }>,
  { cluster, node, run, lines }: { cluster: string; node: string; run?: number | undefined; lines: number },
): string {
  switch (news.kind) {
    case 'waiting':
      return `${node} waits for its turn in the run in progress; \`ospatch explain ${cluster} ${node}\` says what for`;
    case 'unreadable':
      return `${news.message}; retrying`;
    case 'over':
      if (news.wasInProgress) return `the patch of ${node} has ended`;
      if (lines === 0) return describeNoLog(node);
      if (run !== undefined) return `the patch of ${node} in run ${run} has ended`;
      return `no patch of ${node} is in progress: this is the log of its last one`;
  }
}
