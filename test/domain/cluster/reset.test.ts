import { toHistory } from '../../../src/domain/cluster/status';
import { isNumberUnknown, noteLastRun, noteReset, resetMessage } from '../../../src/domain/cluster/reset';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { finishRun, newClusterState, startRun } from '../../../src/domain/cluster/state';
import { notTried } from '../../../src/domain/run/run';
import type { Patching } from '../../../src/domain/spec/types';
import type { MemberSettled } from '../../../src/domain/cluster/member';
import { clusterSpec, runPolicy, windowAt, ahead } from '../../support/builders';

const CREATED = '2026-11-01T00:00:00.000Z';
const RESET = '2026-11-20T12:00:00.000Z';
const WEEKLY = { schedule: [{ preset: 'weekly', startWithin: '1h' }] } satisfies Partial<Patching>;

function atRun(nextRun: number): ClusterState {
  const windows = [windowAt('2026-11-15T00:00:00Z'), windowAt('2026-11-22T00:00:00Z')];
  return { ...newClusterState(clusterSpec(undefined, WEEKLY), null, CREATED, ahead(windows)), nextRun };
}

/** A run of all nodes, in which `untried` is left out. */
function run(state: ClusterState, untried: string[] = []): void {
  const nodes = state.nodes.map(({ name }) => name);
  const active = startRun(state, {
    ...{ number: state.nextRun, trigger: 'on-demand', startedAt: RESET, by: null, reason: null, nodes },
    policy: runPolicy(nodes.length),
  });
  const settled = nodes.map((name): MemberSettled => ({
    ...notTried('node', name, 'x'),
    ...(untried.includes(name) ? {} : { outcome: 'up-to-date' as const, error: null }),
  }));
  finishRun(state, active, settled, 'succeeded', RESET);
}

describe('domain/cluster/reset', () => {
  it('starts nothing by itself: it pauses, forgets the request of then and counts no window that has passed', () => {
    const state = atRun(3);
    state.request = { id: 'r1', at: '2027-01-01T00:00:00.000Z', nodes: null, by: 'me', reason: null };
    noteReset(state, RESET);
    expect(state).toMatchObject({
      paused: { by: 'Temporal', at: RESET },
      request: null,
      schedule: { after: RESET, next: null },
    });
    // A reader of the events cannot go on by their numbers.
    expect(state.events.life).toBe(RESET);
    expect(toHistory(state).windows).toEqual([
      { at: '2026-11-15T00:00:00Z', result: 'not known (the workflow was reset)' },
    ]);
  });

  it('leaves a pause of a person as it is', () => {
    const state = atRun(3);
    state.paused = { at: CREATED, by: 'me', reason: 'freeze' };
    noteReset(state, RESET);
    expect(state.paused).toMatchObject({ by: 'me', reason: 'freeze' });
  });

  it.each([
    [1, 0, 'nodes are shown as before any run;'],
    [3, 2, 'nodes are shown as of run 2;'],
    [3, 3, 'nodes are shown as of run 2, without what run 3 changed;'],
    [3, 9, 'nodes are shown as of run 2, without what runs 3 to 9 changed;'],
  ])('says what is missing, and uses no number twice: next run %i, last run %i', (nextRun, lastRun, words) => {
    const state = atRun(nextRun);
    noteReset(state, RESET);
    expect(isNumberUnknown(state)).toBe(true);
    noteLastRun(state, lastRun);
    expect(isNumberUnknown(state)).toBe(false);
    expect(resetMessage(state)).toContain(words);
    expect(state.nextRun).toBe(lastRun + 1);
    expect(toHistory(state).requests.at(-1)).toMatchObject({ request: 'reset', at: RESET });
    expect(resetMessage(unpackState(packState(state)))).toContain(words);
  });

  it('says so until a later run has tried every node', () => {
    const state = atRun(3);
    noteReset(state, RESET);
    // It was in progress at the point that the workflow was reset to.
    run(state);
    expect(resetMessage(state)).not.toBeNull();
    noteLastRun(state, 5);
    run(state, ['w-1']);
    expect(resetMessage(state)).not.toBeNull();
    run(state);
    expect(resetMessage(state)).toBeNull();
  });
});
