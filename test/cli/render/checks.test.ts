import type { NodeCheck } from '../../../src/contract/activities/node';
import { renderChecks } from '../../../src/cli/render/checks';
import type { DrainPreview } from '../../../src/domain/kubernetes/types';
import { nodeFacts } from '../../support/builders';
import { PLAIN } from '../support';

function check(node: string, more: Partial<DrainPreview>): NodeCheck {
  const none: DrainPreview = {
    nodeName: node,
    cordonedBy: 'nobody',
    owner: null,
    evict: 4,
    pods: [],
    ignored: {},
    blockers: [],
    pending: [],
  };
  return {
    node,
    ok: true,
    facts: nodeFacts(),
    pending: 0,
    changes: [],
    warnings: [],
    drain: { ok: true, preview: { ...none, ...more } },
  };
}

describe('src/cli/render/checks', () => {
  it('shows what a drain of each node would meet', () => {
    const text = renderChecks(
      [
        check('w-1', {}),
        check('w-2', { pending: ['It would wait for shop/web-1.'] }),
        check('w-3', { blockers: ['The budget shop/web never allows it.'], ignored: { 'managed by a DaemonSet': 2 } }),
        check('w-4', { cordonedBy: 'others' }),
      ],
      PLAIN,
    );
    expect(text).toMatch(/^Node .* Drain$/m);
    expect(text).toMatch(/^w-1 .* 4 pods$/m);
    expect(text).toMatch(/^w-2 .* 4 pods, would wait$/m);
    expect(text).toMatch(/^w-3 .* blocked$/m);
    expect(text).toContain('w-2  drain: It would wait for shop/web-1.');
    expect(text).toContain('w-3  cannot be drained: The budget shop/web never allows it.');
    expect(text).toContain('w-3  pods that stay: 2 managed by a DaemonSet');
    expect(text).toContain('w-4  cordoned by somebody else (kubectl uncordon w-4)');
    expect(text).toMatch(/\n4 of 4 nodes can be used, but 1 of them cannot be drained$/);
  });

  it('has no column for drains where nodes are not drained', () => {
    const plain: NodeCheck = { node: 'w-1', ok: true, facts: nodeFacts(), pending: 0, changes: [], warnings: [] };
    expect(renderChecks([plain], PLAIN)).not.toContain('Drain');
  });
});
