import { decide, restrictionsFor } from '../../../src/domain/cluster/decide';
import { toHistory, clusterPhase } from '../../../src/domain/cluster/status';
import {
  markLost,
  markStarted,
  newClusterState,
  setAsideRun,
  settleNodes,
  startRun,
} from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import { actOnSteering, checkSteeringRequest } from '../../../src/domain/cluster/requests';
import type { SteeringMessage, SteeringName } from '../../../src/domain/cluster/steering';
import { parseSteering } from '../../../src/domain/cluster/steering';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { clusterSpec, runPolicy, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';
const NAMES = ['w-1', 'w-2', 'w-3'];

/** A run of three nodes of which the first has failed. */
function afterFailure(): ClusterState {
  const state = newClusterState(clusterSpec(NAMES), null, T0);
  const policy = runPolicy(3);
  const run = startRun(state, {
    ...{ number: 1, trigger: 'on-demand', startedAt: T0, by: null, reason: null, nodes: NAMES },
    policy: { ...policy, limits: { ...policy.limits, onExceeded: 'pause' } },
  });
  const failed = settled('w-1', { outcome: 'failed', error: { type: 'Internal', message: 'no' }, workflowRunId: 'r' });
  settleNodes(state, run, [failed], T0);
  run.suspended = { settled: [failed], failures: 1, hold: { kind: 'budget', failures: 1, limit: 0 } };
  return state;
}

function ask(state: ClusterState, name: SteeringName, message: SteeringMessage): string {
  const why = checkSteeringRequest(state, name, message, T0);
  return why ?? actOnSteering(state, name, { by: 'ann', ...message }, T0).effect;
}

function runOf({ run }: ClusterState): ActiveRun {
  if (run === null) throw new Error('no run');
  return run;
}

function nextOf(state: ClusterState): ReturnType<typeof decide> {
  const idle = { runWorkflowRunning: false, continueAsNewDue: false, runPutDown: false };
  return decide(state, Date.parse(T0), { ...idle, refreshingFacts: false, prefetching: false });
}

describe('src/domain/cluster/steering: a run that waits because too many nodes have failed', () => {
  it('names the failures and what to do', () => {
    expect(nextOf(afterFailure())).toMatchObject({
      do: 'sleep',
      message: expect.stringMatching(/^run 1 waits for a decision: 1 failed, more than the 0 that may; `ospatch retry/),
    });
    expect(clusterPhase(afterFailure())).toBe('waiting');
  });

  it.each<[SteeringName, SteeringMessage]>([
    ['retry', { node: 'w-1' }],
    ['skip', { node: 'w-1' }],
    ['setMaxFailures', { maxFailures: 1 }],
    ['setMaxFailures', { maxFailures: '50%' }],
  ])('continues after %s %p', (name, message) => {
    const state = afterFailure();
    ask(state, name, message);
    expect(nextOf(state)).toMatchObject({ do: 'resume-run' });
  });

  it('gives a node that is retried another turn, and tells the next run workflow so', () => {
    const state = afterFailure();
    expect(ask(state, 'retry', { node: 'w-1' })).toBe('w-1 waits for another turn in run 1');
    const { run } = state;
    expect(run?.done).toEqual({});
    expect(run?.suspended).toMatchObject({ settled: [], failures: 0 });
    expect(run === null ? null : restrictionsFor(state, run, 0)).toMatchObject({ retried: { 'w-1': 1 } });
    expect(state.nodes[0]).toMatchObject({ name: 'w-1', state: 'waiting' });
  });
});

describe('src/domain/cluster/steering', () => {
  it.each<[SteeringName, SteeringMessage, RegExp]>([
    ['skip', { node: 'w-9' }, /^run 1 has no node w-9$/],
    ['retry', { node: 'w-2' }, /^w-2 is not done in run 1; only what has failed or was skipped is retried$/],
    ['unlock', { node: 'w-1' }, /^w-1 is not locked$/],
    [
      'lock',
      { node: 'w-1', until: '2026-12-31T00:00:00Z' },
      /^until is .* has passed; allowed: a moment in the future$/,
    ],
    ['lock', { node: 'x' }, /^no such node: x$/],
  ])('refuses %s %p', (name, message, why) => {
    expect(ask(afterFailure(), name, message)).toMatch(why);
  });

  it('refuses to change the limits of no run', () => {
    const idle = newClusterState(clusterSpec(NAMES), null, T0);
    expect(ask(idle, 'setConcurrency', { concurrency: 2 })).toMatch(/^no run is in progress/);
  });

  it('skips a node that has been started as far as nothing was changed, and refuses one that is lost', () => {
    const state = afterFailure();
    markStarted(state, runOf(state), ['w-2', 'w-3'], T0);
    expect(ask(state, 'skip', { node: 'w-2', reason: 'disk' })).toBe(
      'w-2 is left out of run 1, unless its drain or its change has begun, which then goes on to its end',
    );
    expect(ask(state, 'skip', { node: 'w-2' })).toBe('w-2 is skipped already');
    const carried = unpackState(packState(state));
    expect(restrictionsFor(carried, runOf(carried), 0).withdrawn).toEqual({ 'w-2': 'skipped by ann: disk' });
    markLost(state, runOf(state), [{ node: 'w-3', message: 'gone', workflowRunId: 'r' }], T0);
    expect(ask(state, 'skip', { node: 'w-3' })).toBe(
      'w-3 cannot be reached after a change of run 1; `ospatch release demo w-3` ends the wait for the node',
    );
    // It was too late: the failure counts until somebody says otherwise.
    const error = { type: 'Internal', message: 'no' } as const;
    settleNodes(state, runOf(state), [settled('w-2', { outcome: 'failed', error, workflowRunId: 'r' })], T0);
    expect(ask(state, 'skip', { node: 'w-2' })).toBe('the failure of w-2 no longer counts in run 1');
    expect(ask(state, 'retry', { node: 'w-2' })).toBe('w-2 waits for another turn in run 1');
    expect(restrictionsFor(state, runOf(state), 0)).toMatchObject({
      withdrawn: {},
      skipped: {},
      retried: { 'w-2': 1 },
    });
  });

  it('skips and retries nodes of a run that is set aside', () => {
    const state = afterFailure();
    setAsideRun(state);
    const policy = runPolicy(1);
    startRun(state, { number: 2, trigger: 'boot', startedAt: T0, by: null, reason: null, nodes: ['w-3'], policy });
    expect(ask(state, 'skip', { node: 'w-2' })).toBe('w-2 is left out of run 1');
    expect(ask(state, 'retry', { node: 'w-1' })).toBe('w-1 waits for another turn in run 1');
    expect(ask(state, 'skip', { node: 'w-3' })).toBe('w-3 is left out of run 2');
    expect(state.aside).toMatchObject({ skipped: { 'w-2': 'skipped by ann' }, retried: { 'w-1': 1 } });
    expect(ask(state, 'skip', { node: 'w-9' })).toBe('run 2 has no node w-9');
  });

  it('gives no other turn to a node that is patched or up to date', () => {
    for (const outcome of ['patched', 'up-to-date'] as const) {
      const state = afterFailure();
      if (state.run === null) throw new Error('no run');
      settleNodes(state, state.run, [settled('w-2', { outcome })], T0);
      expect(ask(state, 'retry', { node: 'w-2' })).toBe(
        `w-2 is ${outcome} in run 1; only what has failed or was skipped is retried`,
      );
    }
  });

  it('does the same request once, and keeps who asked', () => {
    const state = afterFailure();
    const message = { node: 'w-1', requestId: '1', reason: 'disk replaced' };
    ask(state, 'retry', message);
    ask(state, 'retry', message);
    expect(state.run?.retried).toEqual({ 'w-1': 1 });
    expect(toHistory(state).requests.at(-1)).toEqual({
      ...{ at: T0, request: 'retry', node: 'w-1', by: 'ann', reason: 'disk replaced' },
      result: 'w-1 waits for another turn in run 1',
    });
  });

  it('keeps a lock through continue-as-new, and tells the run of it', () => {
    const state = afterFailure();
    ask(state, 'lock', { node: 'w-2', until: '2027-01-02T00:00:00Z', reason: 'incident' });
    const { run, nodes } = unpackState(packState(state));
    expect(nodes[1]).toMatchObject({ lock: { by: 'ann', reason: 'incident', until: '2027-01-02T00:00:00Z' } });
    expect(run === null ? null : restrictionsFor(state, run, 0).locked).toEqual({
      'w-2': {
        why: 'locked by ann until 2027-01-02T00:00:00Z: incident',
        untilMs: Date.parse('2027-01-02T00:00:00Z'),
      },
    });
  });

  it.each<[SteeringName, unknown, RegExp]>([
    ['skip', undefined, /^the input is missing; send an object such as \{"node": "w-1"\}$/],
    ['skip', {}, /^node is missing; e.g. \{"node": "w-1"\}$/],
    ['setConcurrency', { concurrency: 0 }, /^concurrency is 0; allowed: a whole number from 1/],
    ['setConcurrency', { concurrency: '0%' }, /^concurrency is "0%"; allowed/],
    ['setMaxFailures', { maxFailures: -1 }, /^maxFailures is -1; allowed/],
    ['lock', { node: 'w-1' }, /^reason is missing; e.g. \{"node": "w-1", "reason": "incident 4711"\}$/],
    [
      'lock',
      { node: 'w-1', reason: 'x', until: 'tomorrow' },
      /^until is "tomorrow"; allowed: a moment in ISO 8601 with zone/,
    ],
    [
      'lock',
      { node: 'w-1', reason: 'x', forever: true },
      /^unknown field forever; allowed: requestId, by, reason, signature, node, until$/,
    ],
    ['skip', { node: 'w-1', nodes: ['w-1'] }, /^unknown field nodes; allowed: requestId, by, reason, signature, node$/],
  ])('reads no %s from %p', (name, value, why) => {
    expect(parseSteering(name, value)).toEqual({ ok: false, why: expect.stringMatching(why) });
  });
});
