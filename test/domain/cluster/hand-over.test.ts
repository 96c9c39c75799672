/** A run between two of its workflows, with nodes that are being patched. */
import { decide } from '../../../src/domain/cluster/decide';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { newClusterState, noteHandOver, startRun } from '../../../src/domain/cluster/state';
import { toStatus } from '../../../src/domain/cluster/status';
import type { HandedOverPatch } from '../../../src/domain/run/run';
import { IDLE, clusterSpec, runPolicy } from '../../support/builders';

const NOW = '2027-01-04T12:00:00.000Z';
const NODES = ['cp-1', 'w-1', 'w-2'];

function handedOver(more: Partial<HandedOverPatch> = {}): ClusterState {
  const state = newClusterState(clusterSpec(NODES), null, NOW);
  const run = startRun(state, {
    ...{ number: 1, trigger: 'on-demand', startedAt: NOW, by: null, reason: null },
    ...{ nodes: NODES, policy: runPolicy(NODES.length) },
  });
  run.suspended = {
    ...{ settled: [], failures: 0 },
    inFlight: [{ node: 'w-1', startedAt: NOW, workflowRunId: 'patch-1', ...more }],
  };
  noteHandOver(state, run, run.suspended);
  return state;
}

const paused = { at: NOW, by: 'ann', reason: null };

describe('src/domain/cluster: a run that hands over', () => {
  it('shows what is handed over as being patched, and the run as running', () => {
    const { nodes, run } = toStatus(handedOver());
    expect(nodes.map(({ state }) => state)).toEqual(['waiting', 'patching', 'waiting']);
    expect(run).toMatchObject({ state: 'running' });
  });

  it('is paused only once the nodes that are being patched are over', () => {
    const state = { ...handedOver(), paused };
    expect(decide(state, Date.parse(NOW), IDLE)).toMatchObject({ do: 'resume-run' });
    expect(toStatus(state).run).toMatchObject({ state: 'running' });
  });

  it('does not wait for a lost node', () => {
    const state = { ...handedOver({ lost: true }), paused };
    expect(decide(state, Date.parse(NOW), IDLE)).toMatchObject({ do: 'sleep' });
    expect(toStatus(state).run).toMatchObject({ state: 'paused', lost: [{ node: 'w-1' }] });
  });

  it.each([undefined, true] as const)('waits for what is in flight when it is cancelled (lost: %s)', (lost) => {
    const state = handedOver(lost === undefined ? {} : { lost });
    if (state.run !== null) state.run.state = 'cancelling';
    expect(decide(state, Date.parse(NOW), IDLE)).toMatchObject({ do: 'resume-run' });
  });
});
