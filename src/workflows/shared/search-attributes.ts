/** Search attributes of runs and node patches. Only registered ones may be written. */
import { upsertSearchAttributes } from '@temporalio/workflow';
import type { SearchAttributePair } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../../contract/search-attributes';
import type { NodeOutcome } from '../../domain/node/status';
import type { RunResult } from '../../domain/run/run';
import { defined } from '../../domain/shared/defined';

/** Child options with which the child is found by its cluster name. */
export function foundBy(
  cluster: string,
  registered: readonly string[],
): { typedSearchAttributes?: SearchAttributePair[] } {
  const pairs = known([{ key: SEARCH_ATTRIBUTES.cluster, value: cluster }], registered);
  return defined({ typedSearchAttributes: pairs.length === 0 ? undefined : pairs });
}

/** A suspended run has not ended. */
export function publishRunEnd({ end, outcome, cursor }: RunResult, registered: readonly string[] = []): void {
  if (end === 'suspended') return;
  const count = (wanted: NodeOutcome): number => cursor.settled.filter((one) => one.outcome === wanted).length;
  publish(
    [
      { key: SEARCH_ATTRIBUTES.outcome, value: outcome },
      { key: SEARCH_ATTRIBUTES.failedNodes, value: count('failed') },
      { key: SEARCH_ATTRIBUTES.rebootPending, value: count('reboot-pending') },
    ],
    registered,
  );
}

export function publishNodeEnd(outcome: NodeOutcome, registered: readonly string[] = []): void {
  publish([{ key: SEARCH_ATTRIBUTES.outcome, value: outcome }], registered);
}

function publish(pairs: SearchAttributePair[], registered: readonly string[]): void {
  const written = known(pairs, registered);
  if (written.length > 0) upsertSearchAttributes(written);
}

function known(pairs: SearchAttributePair[], registered: readonly string[]): SearchAttributePair[] {
  return pairs.filter(({ key }) => registered.includes(key.name));
}
