/** Priorities set by workflows, in the sandbox of a worker. */
import type { Patching } from '../../../src/domain/spec/types';
import { STOP_ON_FAILURE, ahead, clusterSpec, windowAt } from '../../support/builders';
import type { Command } from '../sandboxed-workflow';
import { acceptedCluster, payloadOf, signal } from '../sandboxed-workflow';

const WINDOW = windowAt('2027-01-11T00:00:00Z');

function prioritiesIn(commands: readonly Command[]): [string, number][] {
  return commands.flatMap(({ scheduleActivity: activity, startChildWorkflowExecution: child }) => {
    const started = activity ?? child;
    if (!started) return [];
    const name = activity?.activityType ?? child?.workflowType ?? '';
    return [[name, started.priority?.priorityKey ?? 0] as [string, number]];
  });
}

describe('src/workflows/sandbox/priority', () => {
  it('lists the node groups of a requested run before those of scheduled runs', async () => {
    const eks = { region: 'eu-central-1', cluster: 'prod', nodeGroups: 'all', force: false };
    const patching = { timeZone: 'UTC', rollout: STOP_ON_FAILURE };
    const workflow = await acceptedCluster({ apiVersion: 'ospatch/v1', name: 'demo', type: 'eks', eks, patching });
    await workflow.activate(signal('patchNow', payloadOf({ by: 'ann' })));
    expect(prioritiesIn(workflow.commands)).toEqual([['listNodegroups', 4]]);
    await workflow.dispose();
  });

  it('puts a prefetch behind everything else', async () => {
    const patching: Partial<Patching> = {
      schedule: [{ preset: 'weekly', startWithin: '1h' }],
      prefetch: { beforeWindow: '7d' },
    };
    const workflow = await acceptedCluster(clusterSpec(['w-1'], patching, 'demo'), ahead([WINDOW]));
    expect(prioritiesIn(workflow.commands)).toEqual([['prefetchNodes', 5]]);
    await workflow.dispose();
  });
});
