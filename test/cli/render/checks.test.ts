import { renderChecks } from '../../../src/cli/render/checks';
import { withDrain } from '../../../src/domain/inspection/drain';
import { failedInspection } from '../../../src/domain/inspection/node';
import type { NodeInspection } from '../../../src/domain/inspection/node';
import type { DrainPreview } from '../../../src/domain/kubernetes/types';
import { nodeFacts, nodeInspection } from '../../support/builders';
import { PLAIN } from '../support';

function drained(node: string, more: Partial<DrainPreview>): NodeInspection {
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
  return withDrain(nodeInspection(node), { ok: true, preview: { ...none, ...more } });
}

describe('src/cli/render/checks', () => {
  it('shows what a drain of each node would evict', () => {
    const text = renderChecks(
      [
        drained('w-1', {}),
        drained('w-2', { pending: ['a drain would wait for shop/web-1'] }),
        drained('w-3', { blockers: ['The budget shop/web never allows it'] }),
        drained('w-4', { cordonedBy: 'others' }),
        withDrain(nodeInspection('w-5'), { ok: false, error: { type: 'KubernetesApi', message: 'no answer' } }),
      ],
      PLAIN,
    );
    expect(text).toMatch(/^Node .* Drain$/m);
    expect(text).toMatch(/^w-1 .* 4 pods$/m);
    expect(text).toMatch(/^w-2 .* 4 pods, would wait$/m);
    expect(text).toMatch(/^w-3 .* blocked$/m);
    expect(text).toMatch(/^w-4 .* 4 pods, cordoned by others$/m);
    expect(text).toMatch(/^w-5 .* \?$/m);
    expect(text).toContain('w-2  warning: a drain would wait for shop/web-1');
    expect(text).toContain('w-3  error: the node cannot be drained: The budget shop/web never allows it');
    expect(text).toContain('w-5  error: no answer');
    expect(text).not.toContain('would move');
    expect(text).toMatch(/\n3 of 5 nodes can be patched$/);
  });

  it('shows the progress of an inspection, and dashes for unread values', () => {
    const facts = nodeFacts();
    const text = renderChecks(
      [
        failedInspection('w-1', { type: 'AuthFailed', message: 'w-1 refuses the key', remedy: 'add the key' }),
        { ...failedInspection('w-2', { type: 'SudoDenied', message: 'no sudo' }), facts, os: facts.osVersion },
        failedInspection('w-3', { type: 'NoWorker', message: 'no worker' }),
        nodeInspection('w-4', { facts: nodeFacts({ reboot: { required: true, reasons: [] } }), pending: 3 }),
      ],
      PLAIN,
    );
    expect(text).toMatch(/^w-1 +yes +no +\? +- +- +-$/m);
    expect(text).toMatch(/^w-2 +yes +yes +no +Debian GNU\/Linux 12\.15 +- +no$/m);
    expect(text).toMatch(/^w-3 +\? +\? +\? +- +- +-$/m);
    expect(text).toMatch(/^w-4 +yes +yes +yes +Debian GNU\/Linux 12\.15 +3 +required$/m);
    expect(text).toContain('w-1  error: w-1 refuses the key.\n  fix: add the key\nw-2');
  });

  it('has no drain column where nodes are not drained', () => {
    expect(renderChecks([nodeInspection('w-1')], PLAIN)).not.toContain('Drain');
  });
});
