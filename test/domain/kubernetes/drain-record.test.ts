import type { BlockedPod, DrainPreview } from '../../../src/domain/kubernetes/types';
import { drainBlocked, drainTimeout, leftCordoned } from '../../../src/domain/kubernetes/drain-record';
import { MAX_ERROR_MESSAGE } from '../../../src/domain/node/status';
import { describeWorkDone } from '../../../src/domain/node/patch';

function preview(...blockers: string[]): DrainPreview {
  return { nodeName: 'w-1', cordonedBy: 'nobody', owner: null, evict: 1, pods: [], ignored: {}, blockers, pending: [] };
}

function pod(name: string): BlockedPod {
  return { namespace: 'shop', name, why: 'the budget web allows no disruption', since: '2027-01-01T00:00:00Z' };
}

describe('src/domain/kubernetes/drain-record', () => {
  it('reports no error for a drain without blockers', () => {
    expect(drainBlocked('prod', 'w-1', preview())).toBeNull();
  });

  it('names the first blockers and counts the others', () => {
    expect(drainBlocked('prod', 'w-1', preview('a', 'b', 'c', 'd', 'e'))?.message).toBe(
      'w-1 cannot be drained: a; b; c; and 2 more',
    );
  });

  it('names pods and budgets left at the timeout, and truncates the list', () => {
    const report = {
      state: 'timed-out',
      evicted: 3,
      workloads: [],
      blocked: [pod('a'), pod('b'), pod('c'), pod('d')],
    } as const;
    expect(drainTimeout('w-1', '90s', { ...report, workloads: [], blocked: [...report.blocked] }).message).toBe(
      'w-1 was not drained within 1m30s; still there: shop/a: the budget web allows no disruption; shop/b: the budget web allows no disruption; shop/c: the budget web allows no disruption; and 1 more',
    );
  });

  it('reports a remaining cordon beside any other error, however long', () => {
    const why = { type: 'KubernetesApi', message: 'patching nodes is forbidden' } as const;
    const told = leftCordoned('prod', 'w-1', why, { type: 'UnreachableAfterChange', message: `${'x'.repeat(1_000)}.` });
    expect(told).toMatchObject({ type: 'UnreachableAfterChange', remedy: 'ospatch uncordon prod w-1' });
    expect(told.message).toMatch(/x…; w-1 is left cordoned \(patching nodes is forbidden\)$/);
    expect(told.message.length).toBeLessThanOrEqual(MAX_ERROR_MESSAGE);
  });

  it.each([
    [{ podsEvicted: 1 }, 'x; 1 pod was evicted'],
    [
      { podsEvicted: 2, packagesChanged: 1, reboots: 1 },
      'x; 2 pods were evicted, 1 package was changed and it was rebooted once',
    ],
    [{ packagesChanged: 1, reboots: 1 }, 'x; 1 package was changed and it was rebooted once'],
    [{}, 'x; nothing was changed'],
  ])('reports %j in one sentence', (done, sentence) => {
    const nothing = { packagesChanged: 0, reboots: 0, rebootRequested: false, transactionOpen: false };
    expect(describeWorkDone('x', { ...nothing, ...done })).toBe(sentence);
  });
});
