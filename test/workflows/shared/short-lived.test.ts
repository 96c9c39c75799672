import { payloadOf, SandboxedWorkflow } from '../sandboxed-workflow';

const TYPES = [
  'inspectNodes',
  'inspectAvailability',
  'inspectAlerts',
  'inspectKubernetes',
  'inspectEks',
  'readNodeLog',
  'uncordonNode',
  'refreshFacts',
  'prefetchNodes',
] as const;

describe('src/workflows/shared/short-lived', () => {
  it.each(TYPES.flatMap((type) => [[], [null], [42], ['x'], [{}]].map((args) => [type, args] as const)))(
    'fails %s started by hand with %j at once instead of retrying its task',
    async (type, args) => {
      const workflow = await SandboxedWorkflow.create('by-hand', type, ...args.map(payloadOf));
      await workflow.activate();
      const failure = workflow.commands.find((one) => one.failWorkflowExecution)?.failWorkflowExecution?.failure;
      expect(failure?.applicationFailureInfo).toMatchObject({ type: 'Refused', nonRetryable: true });
      expect(failure?.message).toContain(`${type} cannot work with this input: `);
    },
  );
});
