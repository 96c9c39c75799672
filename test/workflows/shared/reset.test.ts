/** A reset is noticed by the workflow that was reset, and by no other workflow of the worker. */
import { packState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';
import { clusterSpec } from '../../support/builders';
import { SandboxedWorkflow, localActivity, payloadOf, resolved } from '../sandboxed-workflow';

async function idleCluster(name: string): Promise<SandboxedWorkflow> {
  const state = newClusterState(clusterSpec(['w-1'], {}, name), null, '2027-01-04T11:00:00.000Z');
  const argument = payloadOf({ state: packState(state) });
  const workflow = await SandboxedWorkflow.create(`cluster/${name}`, 'cluster', argument);
  const commands = await workflow.activate();
  await workflow.activate(resolved(localActivity(commands, 'searchAttributes'), []));
  return workflow;
}

describe('workflows/shared/reset', () => {
  it('pauses the cluster whose workflow was reset and no other one', async () => {
    const [reset, other] = [await idleCluster('first'), await idleCluster('second')];
    await reset.activate({ updateRandomSeed: {} });
    expect(await other.query('summary')).toMatchObject({ paused: null });
    expect(await reset.query('summary')).toMatchObject({ paused: { reason: expect.stringContaining('reset') } });
    for (const workflow of [reset, other]) await workflow.dispose();
  });
});
