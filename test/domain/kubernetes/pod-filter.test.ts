import type { DrainPolicy } from '../../../src/domain/kubernetes/types';
import { DEFAULT_DRAIN } from '../../../src/domain/kubernetes/types';
import type { PodView } from '../../../src/domain/kubernetes/pod-filter';
import { podFilter } from '../../../src/domain/kubernetes/pod-filter';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const DAEMON = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'proxy', uid: 'd' };
const POD: PodView = {
  namespace: 'shop',
  name: 'web-1',
  uid: 'u',
  labels: { app: 'web' },
  phase: 'Running',
  ready: true,
  nodeName: 'w-1',
  deletionAtMs: null,
  controller: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'r' },
  isMirror: false,
  hasEmptyDir: false,
  toleratesCordon: false,
  finalizers: [],
};

function judge(pod: Partial<PodView>, policy: Partial<DrainPolicy> = {}, hasDaemonSet = true) {
  const filter = podFilter({ policy: { ...DEFAULT_DRAIN, ...policy }, nowMs: NOW, hasDaemonSet: () => hasDaemonSet });
  return filter({ ...POD, ...pod });
}

describe('src/domain/kubernetes/pod-filter', () => {
  it.each<[string, Partial<PodView>, Partial<DrainPolicy>, object]>([
    ['a pod of a controller', {}, {}, { do: 'evict', order: 0 }],
    ['a DaemonSet pod', { controller: DAEMON }, {}, { do: 'stay', why: 'managed by a DaemonSet' }],
    [
      'a DaemonSet pod',
      { controller: DAEMON },
      { ignoreDaemonsets: false },
      { do: 'refuse', option: 'ignoreDaemonsets' },
    ],
    ['a DaemonSet pod', { controller: DAEMON, hasEmptyDir: true }, {}, { do: 'stay' }],
    ['a finished DaemonSet pod', { controller: DAEMON, phase: 'Failed' }, { ignoreDaemonsets: false }, { do: 'evict' }],
    ['a pod of a DaemonSet of another group', { controller: { ...DAEMON, apiVersion: 'x/v1' } }, {}, { do: 'evict' }],
    ['a static pod', { isMirror: true, controller: null, hasEmptyDir: true }, {}, { do: 'stay', why: 'static pod' }],
    ['a pod with an emptyDir', { hasEmptyDir: true }, {}, { do: 'refuse', option: 'deleteEmptydirData' }],
    ['a pod with an emptyDir', { hasEmptyDir: true }, { deleteEmptydirData: true }, { do: 'evict' }],
    ['a finished pod with an emptyDir', { hasEmptyDir: true, phase: 'Succeeded' }, {}, { do: 'evict' }],
    ['a bare pod', { controller: null }, {}, { do: 'refuse', option: 'force' }],
    ['a bare pod', { controller: null }, { force: true }, { do: 'evict' }],
    [
      'a bare pod with an emptyDir',
      { controller: null, hasEmptyDir: true },
      { force: true },
      { do: 'refuse', option: 'deleteEmptydirData' },
    ],
    ['a finished bare pod', { controller: null, phase: 'Succeeded' }, {}, { do: 'evict' }],
    ['a pod that podSelector leaves out', { controller: null }, { podSelector: 'app!=web' }, { do: 'stay' }],
    ['a pod deleted 61 s ago', { deletionAtMs: NOW - 61_000 }, { skipWaitForDeleteTimeout: '60s' }, { do: 'stay' }],
    ['a pod deleted 60 s ago', { deletionAtMs: NOW - 60_900 }, { skipWaitForDeleteTimeout: '60s' }, { do: 'evict' }],
    ['a pod deleted long ago', { deletionAtMs: 0 }, { skipWaitForDeleteTimeout: '0s' }, { do: 'evict' }],
    ['a pod deleted long ago', { deletionAtMs: 0 }, {}, { do: 'evict' }],
  ])('classifies %s (%j) under %j', (_, pod, policy, expected) => {
    expect(judge(pod, policy)).toMatchObject(expected);
  });

  it('evicts the pod of a deleted DaemonSet with force only', () => {
    expect(judge({ controller: DAEMON }, {}, false)).toMatchObject({ do: 'refuse', option: 'force' });
    expect(judge({ controller: DAEMON }, { force: true }, false)).toMatchObject({ do: 'evict' });
  });

  it('applies the first matching rule of its namespace; a skipped pod never blocks', () => {
    const rules = [
      { podSelector: 'app=web', namespace: 'other', action: 'skip' as const, order: 0 },
      { podSelector: 'app in (web,db)', action: 'evict' as const, order: 5 },
      { podSelector: 'app=web', action: 'skip' as const, order: 0 },
      { podSelector: 'job', action: 'wait-completed' as const, order: 2 },
    ];
    expect(judge({}, { rules })).toEqual({ do: 'evict', order: 5 });
    expect(judge({ namespace: 'other', controller: null }, { rules })).toMatchObject({ do: 'stay' });
    const job = { labels: { job: '' }, controller: null, hasEmptyDir: true };
    expect(judge(job, { rules })).toEqual({ do: 'wait-completed', order: 2 });
    expect(judge({ ...job, phase: 'Succeeded' }, { rules })).toMatchObject({ do: 'stay' });
    expect(judge({ ...job, controller: DAEMON }, { rules })).toMatchObject({ do: 'stay' });
    expect(judge({ ...job, isMirror: true }, { rules })).toMatchObject({ do: 'stay' });
  });
});
