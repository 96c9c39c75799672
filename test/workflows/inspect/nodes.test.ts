/** The workflow of `check` and `doctor`, on a real server. */
import type { InspectNodesInput } from '../../../src/workflows/inspect/nodes';
import type { NodeInspection } from '../../../src/domain/inspection/node';
import { nodeSpec } from '../../support/builders';
import { Harness } from '../harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

describe('src/workflows/inspect/nodes', () => {
  it('returns every node in order, also when the inspection of one fails', async () => {
    await harness.withWorker(async ({ name, nodes, env }) => {
      nodes.node('w-2').preflightError = { type: 'Internal', message: 'unexpected error: x', remedy: 'tell us' };
      const input: InspectNodesInput = {
        targets: ['w-1', 'w-2', 'w-3'].map((one) => ({ ...nodeSpec(one), cluster: name })),
        policy: { withoutDrain: false, rebootIfRequired: true },
        factsLimitMs: 1_000,
        planLimitMs: 1_000,
        unreachableTimeoutMs: 1_000,
      };
      const inspected = (await env.client.workflow.execute('inspectNodes', {
        workflowId: `cluster/${name}/inspect/1`,
        taskQueue: name,
        args: [input],
      })) as NodeInspection[];
      expect(inspected.map(({ node, verdict }) => [node, verdict])).toEqual([
        ['w-1', 'ok'],
        ['w-2', 'error'],
        ['w-3', 'ok'],
      ]);
      expect(inspected[1]?.findings).toEqual([
        { severity: 'error', check: 'other', message: 'unexpected error: x', remedy: 'tell us' },
      ]);
    });
  });
});
