import { ownWorker } from '../../../src/domain/kubernetes/own-worker';
import type { PodView } from '../../../src/domain/kubernetes/pod-filter';

const REPLICA_SET = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'ospatch-worker-1', uid: 'rs-1' };

function worker(more: Partial<PodView> = {}): PodView {
  return {
    namespace: 'ospatch',
    name: 'ospatch-worker-1-a',
    uid: 'uid-a',
    labels: {},
    phase: 'Running',
    ready: true,
    nodeName: 'w-1',
    deletionAtMs: null,
    controller: REPLICA_SET,
    isMirror: false,
    hasEmptyDir: false,
    toleratesCordon: false,
    finalizers: [],
    ...more,
  };
}

const OTHER = worker({ name: 'ospatch-worker-1-b', uid: 'uid-b', nodeName: 'w-2' });

describe('src/domain/kubernetes/own-worker', () => {
  it('moves while a ready pod of the same controller runs on another node', () => {
    expect(ownWorker(worker(), [worker(), OTHER])).toEqual({
      namespace: 'ospatch',
      name: 'ospatch-worker-1-a',
      fate: 'moves',
      warning: null,
    });
  });

  it.each<[string, PodView[]]>([
    ['there is no other', [worker()]],
    ['the other is not ready', [worker(), { ...OTHER, ready: false }]],
    ['the other is terminating', [worker(), { ...OTHER, deletionAtMs: 1 }]],
    ['the other has no node yet', [worker(), { ...OTHER, nodeName: '' }]],
    ['the other is on the same node', [worker(), { ...OTHER, nodeName: 'w-1' }]],
    ['the other belongs to another site', [worker(), { ...OTHER, controller: { ...REPLICA_SET, uid: 'rs-2' } }]],
  ])('stays when %s', (_, siblings) => {
    const { fate, warning } = ownWorker(worker(), siblings);
    expect(fate).toBe('stays');
    expect(warning?.message).toContain('only worker that is ready (pod ospatch/ospatch-worker-1-a)');
  });

  it('stays without a controller, because nothing would start another', () => {
    expect(ownWorker(worker({ controller: null }), [OTHER]).fate).toBe('stays');
  });
});
