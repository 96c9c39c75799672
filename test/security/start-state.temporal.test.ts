/** What becomes of a cluster that somebody starts with a state of their own making. */
import { packState } from '../../src/domain/cluster/packed-state';
import { newClusterState } from '../../src/domain/cluster/state';
import { clusterSpec } from '../support/builders';
import type { Command } from '../workflows/sandboxed-workflow';
import { SandboxedWorkflow, localActivity, payloadOf, resolved, timedOut } from '../workflows/sandboxed-workflow';

const STATE = packState(newClusterState(clusterSpec(['w-1'], {}, 'demo'), null, '2027-01-01T00:00:00Z'));

function failureIn(commands: readonly Command[]): string | undefined {
  return commands.map(({ failWorkflowExecution }) => failWorkflowExecution?.failure?.message ?? '').find(Boolean);
}

describe('a cluster started with a state', () => {
  it('asks a worker about the state before it acts on anything in it', async () => {
    const workflow = await SandboxedWorkflow.startCluster('cluster/demo', { state: STATE });
    await workflow.activate();
    const asked = workflow.commands.flatMap(({ scheduleLocalActivity: local }) => local?.activityType ?? []);
    expect(asked).toEqual(['checkState']);
    const told = 'a worker checks the state that the cluster goes on from';
    expect(await workflow.query('status')).toMatchObject({ cluster: 'demo', explanation: told });
    expect(workflow.commands.some(({ startChildWorkflowExecution: child }) => child)).toBe(false);
    await workflow.activate(resolved(localActivity(workflow.commands, 'checkState'), { ok: true, spec: null }));
    expect(await workflow.query('status')).toMatchObject({ cluster: 'demo' });
    await workflow.dispose();
  });

  it.each([7, null, {}, { version: 1 }, { ...STATE, nodes: 7 }])(
    'ends when the worker refuses it: %j',
    async (state) => {
      const workflow = await SandboxedWorkflow.startCluster('cluster/demo', { state });
      await workflow.activate();
      const verdict = { ok: false, isNewer: false, problems: ['the state is damaged'] };
      const commands = await workflow.activate(resolved(localActivity(workflow.commands, 'checkState'), verdict));
      expect(failureIn(commands)).toBe('the state of cluster demo is not usable: the state is damaged');
      await workflow.dispose();
    },
  );

  it('ends under an id that is none of a cluster', async () => {
    const workflow = await SandboxedWorkflow.startCluster('mine', { state: STATE });
    expect(failureIn(await workflow.activate())).toContain('mine is no id of a cluster');
    await workflow.dispose();
  });

  it('waits for a worker that can read a newer state, and not for ever', async () => {
    const workflow = await SandboxedWorkflow.startCluster('cluster/demo', { state: { ...STATE, version: 99 } });
    await workflow.activate();
    const verdict = { ok: false, isNewer: true, problems: ['version 99'] };
    let commands: Command[] = [];
    for (let checks = 0; checks < 40; checks += 1) {
      const check = localActivity(workflow.commands, 'checkState');
      commands = await workflow.activate(checks % 2 === 0 ? resolved(check, verdict) : timedOut(check));
      if (failureIn(commands) !== undefined) break;
      const seq = commands.find(({ startTimer }) => startTimer)?.startTimer?.seq ?? 0;
      await workflow.activate({ fireTimer: { seq } });
    }
    expect(failureIn(commands)).toBe('the state of cluster demo is not usable: version 99');
    await workflow.dispose();
  });
});

describe('a workflow that only a cluster starts', () => {
  const node = { name: 'w-1' };
  it.each([
    [
      'run',
      'cluster/demo/run/1-x',
      { cluster: 'demo', run: 1, nodes: [null], restrictions: {}, policy: { limits: {} } },
    ],
    ['patchNode', 'cluster/demo/node/w-1', { cluster: 'demo', run: 1, node, policy: {} }],
    ['updateNodegroup', 'cluster/demo/node/w-1', { cluster: 'demo', nodeGroup: 'w-1', policy: { access: {} } }],
  ])('ends when somebody else starts it: %s', async (type, workflowId, input) => {
    for (const parent of [undefined, 'mine', 'cluster/other', 'cluster/other/run/1-x']) {
      const workflow = await SandboxedWorkflow.createChildOf(parent, workflowId, type, payloadOf(input));
      expect(failureIn(await workflow.activate())).toContain(`is no ${type} of ospatch; only a cluster starts one`);
      await workflow.dispose();
    }
  });
});
