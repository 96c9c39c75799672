import { decidePatch, findDamage, describeWorkDone, secondsOf } from '../../../src/domain/node/patch';
import { MAX_ERROR_MESSAGE } from '../../../src/domain/node/status';
import { nodeFacts } from '../../support/builders';

describe('src/domain/node/patch', () => {
  it.each([
    [{ pending: 1 }, false, false, { do: 'apply' }],
    [{ pending: 0 }, false, true, { do: 'nothing', outcome: 'up-to-date' }],
    [{ pending: 0 }, true, true, { do: 'reboot' }],
    [{ pending: 0 }, true, false, { do: 'nothing', outcome: 'reboot-pending' }],
  ] as const)('decides after preflight %#', (plan, required, allowed, decision) => {
    expect(decidePatch(plan, required, allowed)).toEqual(decision);
  });

  it('finds units that failed during the patch and not those that had failed before', () => {
    const before = nodeFacts({ failedUnits: ['old.service'] });
    expect(findDamage('w-1', before, nodeFacts({ failedUnits: ['old.service'] }))).toBeNull();
    expect(findDamage('w-1', before, nodeFacts({ failedUnits: ['old.service', 'new.service'] }))).toMatchObject({
      type: 'Unhealthy',
      message: expect.stringContaining('new.service'),
    });
  });

  it('takes no wait for other nodes for the time of a patch', () => {
    const [startedAt, endedAt] = ['2027-01-01T00:00:00Z', '2027-01-01T01:00:30Z'];
    const record = { node: 'w-1', run: 1, appliedAt: null, warnings: [], steps: [], error: null, startedAt, endedAt };
    expect(secondsOf({ ...record, outcome: 'patched' })).toBe(3_630);
    expect(secondsOf({ ...record, outcome: 'patched' }, 3_600_000)).toBe(30);
    expect(secondsOf({ ...record, outcome: 'failed' }, 3_600_000)).toBeUndefined();
  });

  it('finds an inconsistent package database', () => {
    const broken = nodeFacts({ packages: { count: 1, digest: 'x', problems: ['half-configured: libc6'] } });
    expect(findDamage('w-1', nodeFacts(), broken)?.type).toBe('PackagesBroken');
  });

  it.each([
    [{}, 'it is full; nothing was changed'],
    [{ packagesChanged: 1 }, 'it is full; 1 package was changed'],
    [{ packagesChanged: 4, reboots: 1 }, 'it is full; 4 packages were changed and it was rebooted once'],
    [{ reboots: 2 }, 'it is full; it was rebooted 2 times'],
    [{ packagesChanged: 4, rebootRequested: true }, 'it is full; 4 packages were changed and a reboot was requested'],
    [{ transactionOpen: true }, 'it is full; what the package transaction has changed is not known yet'],
  ])('adds what was done to the error of a failed node: %j', (done, sentence) => {
    const nothing = { packagesChanged: 0, reboots: 0, rebootRequested: false, transactionOpen: false };
    expect(describeWorkDone('it is full', { ...nothing, ...done })).toBe(sentence);
  });

  it('truncates a long failure, and not what was done', () => {
    const done = { packagesChanged: 3, reboots: 0, rebootRequested: false, transactionOpen: false };
    const sentence = describeWorkDone(`${'x'.repeat(1_000)}.`, done);
    expect(sentence).toHaveLength(MAX_ERROR_MESSAGE);
    expect(sentence).toMatch(/…; 3 packages were changed$/);
  });
});
