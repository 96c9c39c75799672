/** What `ospatch plan` says of real nodes, against what the run then does; and that it changes nothing. */
import type { RunReport } from '../../src/client/cluster-client';
import type { RunPlan } from '../../src/domain/run/plan';
import '../support/slow-suite';
import { nodePatch } from '../support/members';
import { traces } from '../support/traces';
import type { Stack } from './stack';
import { startStack } from './stack';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack([
    { name: 'cp-1', updates: 'few', labReboot: true },
    { name: 'w-1', updates: 'few' },
    { name: 'w-2', updates: 'none' },
    { name: 'w-3', updates: 'none' },
  ]);
});

afterAll(() => stack.stop());

async function plan(...args: string[]): Promise<{ code: number | null; planned: RunPlan }> {
  const { code, stdout, stderr } = await stack.cli('plan', ...args, '-o', 'json');
  if (!stdout.startsWith('{')) throw new Error(stderr);
  return { code, planned: JSON.parse(stdout) as RunPlan };
}

const PATCHING = '{rebootIfRequired: true, unreachableTimeout: 1m, rollout: {maxFailures: 1, onExceeded: stop}}';

describe('e2e/plan', () => {
  it('plans a spec that is not applied, and leaves no trace on its nodes', async () => {
    const file = stack.writeSpec({ name: 'planned', patching: PATCHING });
    expect(await stack.cli('enroll', '-f', file, '--yes')).toMatchObject({ code: 0 });
    const before = await Promise.all(stack.lab.nodes.map(traces));
    const { code, planned } = await plan('-f', file);
    expect(code).toBe(0);
    expect(await Promise.all(stack.lab.nodes.map(traces))).toEqual(before);
    expect(planned.nodes.map(({ node, outcome }) => [node, outcome])).toEqual([
      ['w-1', 'patched'],
      ['w-2', 'up-to-date'],
      ['w-3', 'up-to-date'],
      ['cp-1', 'patched'],
    ]);
    expect((await stack.cli('list', '-o', 'json')).stdout).not.toContain('planned');
  });

  it('says what the run then does: order, packages, reboots', async () => {
    const file = stack.writeSpec({ name: 'planned', patching: PATCHING });
    expect(await stack.cli('apply', '-f', file)).toMatchObject({ code: 0 });
    // A plan is made of the lists that a node has; the archive may have published updates since the image of the node was made.
    await Promise.all(stack.lab.nodes.map((node) => node.exec('apt-get update')));
    const { planned } = await plan('planned');
    expect(await stack.cli('patch', 'planned', '--wait')).toMatchObject({ code: 0 });
    const history = await stack.cli('history', 'planned', '--run', '1', '-o', 'json');
    const { nodes } = JSON.parse(history.stdout) as RunReport;
    expect(nodes.map(({ settled }) => settled.node)).toEqual(planned.nodes.map(({ node }) => node));
    for (const [at, { settled, record }] of nodes.entries()) {
      const one = planned.nodes[at];
      expect([settled.node, settled.outcome]).toEqual([one?.node, one?.outcome]);
      expect([settled.node, nodePatch(record).changes.length]).toEqual([one?.node, one?.pending]);
      if (one?.reboot === 'no') expect([settled.node, nodePatch(record).reboots]).toEqual([one.node, 0]);
    }
    const after = await plan('planned');
    expect(after.planned.nodes.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 4 }, () => 'up-to-date'));
    expect(after.planned.forecast).not.toBe('guess');
  });

  it('says which node would fail, what stops the run, and that held packages stay', async () => {
    const tool = stack.lab.node('w-1');
    await tool.offer({ name: 'lab-tool', version: '1.0' });
    await tool.exec('apt-get update && apt-get -y install lab-tool');
    await tool.offer({ name: 'lab-tool', version: '1.1' });
    await tool.exec('apt-get update');
    const { planned: offered } = await plan('planned', '--nodes', 'w-1');
    expect(offered.nodes).toMatchObject([{ node: 'w-1', pending: 1 }]);
    await tool.exec('apt-mark hold lab-tool');
    const { planned: held } = await plan('planned', '--nodes', 'w-1');
    expect(held.nodes).toMatchObject([
      { node: 'w-1', pending: 0, outcome: 'up-to-date', keptBack: [{ name: 'lab-tool', reason: 'held' }] },
    ]);
    await stack.cli('lock', 'planned', 'w-2', '--reason', 'incident 12');
    await stack.cli('pause', 'planned', '--reason', 'freeze');
    await stack.lab.node('w-3').stop();
    const { code, stdout } = await stack.cli('plan', 'planned');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Blocked +the cluster is paused by .*: freeze\.$/m);
    expect(stdout).toMatch(/^w-2 .* skipped +locked by .*: incident 12$/m);
    expect(stdout).toMatch(/^w-3 .* failed/m);
    expect(stdout).toMatch(/^w-3 {2}error: w-3 .*cannot be reached/m);
  });
});
