import { taskQueuesOf } from '../../../src/domain/cluster/task-queues';
import { STOP_ON_FAILURE, clusterSpec, nodeSpec } from '../../support/builders';

describe('src/domain/cluster/task-queues', () => {
  it("lists each task queue of nodes once, and none when all nodes use the cluster's own", () => {
    const nodes = [nodeSpec('w-1', { taskQueue: 'site-c' }), nodeSpec('w-2'), nodeSpec('w-3')];
    const spec = { ...clusterSpec([]), nodes };
    expect(taskQueuesOf({ ...spec, taskQueue: 'site-b' })).toEqual(['site-b', 'site-c']);
    expect(taskQueuesOf({ ...spec, nodes: [nodeSpec('w-2')] })).toEqual([]);
  });

  it('lists the task queue of an EKS cluster', () => {
    const patching = { timeZone: 'UTC', rollout: STOP_ON_FAILURE } as const;
    const eks = { region: 'eu-central-1', cluster: 'prod', nodeGroups: 'all', force: false } as const;
    const spec = { apiVersion: 'ospatch/v1', name: 'e', type: 'eks', eks, patching, taskQueue: 'site-b' } as const;
    expect(taskQueuesOf(spec)).toEqual(['site-b']);
  });
});
