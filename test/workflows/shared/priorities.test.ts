import { WORKFLOW_TYPES } from '../../../src/contract/workflow-ids';
import { priorityOf } from '../../../src/workflows/shared/priorities';

describe('workflows/priorities', () => {
  test('a look that nobody waits for never comes before work', () => {
    const { refreshFacts, prefetchNodes, patchNode, inspectNodes } = WORKFLOW_TYPES;
    expect(priorityOf('readFacts', patchNode, 'schedule')).toBe(1);
    expect(priorityOf('inspectNode', inspectNodes, undefined)).toBe(2);
    expect(priorityOf('apply', patchNode, 'schedule')).toBe(3);
    expect(priorityOf('preflight', patchNode, 'on-demand')).toBe(4);
    expect(priorityOf('readFacts', refreshFacts, undefined)).toBe(5);
    expect(priorityOf('prefetch', prefetchNodes, undefined)).toBe(5);
  });
});
