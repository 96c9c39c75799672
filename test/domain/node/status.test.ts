import { transition } from '../../../src/domain/cluster/member';
import type { NodeStatus } from '../../../src/domain/node/status';
import { newNodeStatus } from '../../../src/domain/node/status';
import { leftInQuarantine } from '../../../src/domain/run/run';
import { settled } from '../../support/builders';
import { defined } from '../../../src/domain/shared/defined';

const node = { ...newNodeStatus('w-1', 'worker', 'pending'), state: 'patching' as const };

describe('src/domain/node/status', () => {
  it('keeps the Last Applied Patch Time of an apply whose reboot failed', () => {
    const failed = settled('w-1', { outcome: 'failed', error: { type: 'RebootFailed', message: 'no' } });
    expect(transition(node, { kind: 'settled', settled: failed })).toMatchObject({
      state: 'failed',
      lastAppliedPatchTime: '2027-01-01T00:05:00.000Z',
      bootPatch: 'failed',
    });
  });

  it('keeps how long the last 3 patches took that changed something', () => {
    const took = [600, 700, undefined, 800, 900];
    const after = took.reduce<NodeStatus>(
      (status, seconds) =>
        transition(status, { kind: 'settled', settled: settled('w-1', { ...defined({ seconds }) }) }),
      node,
    );
    expect(after.recentPatchSeconds).toEqual([700, 800, 900]);
  });

  it('keeps the previous Last Applied Patch Time when there was nothing to apply', () => {
    const before = { ...node, lastAppliedPatchTime: '2026-12-01T00:00:00.000Z' };
    const after = transition(before, {
      kind: 'settled',
      settled: settled('w-1', { outcome: 'up-to-date', appliedAt: null }),
    });
    expect(after).toMatchObject({
      state: 'up-to-date',
      lastAppliedPatchTime: '2026-12-01T00:00:00.000Z',
      bootPatch: 'done',
    });
  });

  it('keeps the Patched Version of the last successful reading when a node was unreachable', () => {
    const before = { ...node, patchedVersion: 'Debian GNU/Linux 12.14' };
    const after = transition(before, {
      kind: 'settled',
      settled: settled('w-1', { outcome: 'failed', reading: null }),
    });
    expect(after.patchedVersion).toBe('Debian GNU/Linux 12.14');
  });

  it('sets a failed boot patch to done after any later successful run', () => {
    const failed = { ...node, bootPatch: 'failed' as const };
    expect(transition(failed, { kind: 'settled', settled: settled('w-1') }).bootPatch).toBe('done');
  });

  it('never sets a boot patch pending that was not required', () => {
    const plain = { ...node, bootPatch: 'not-required' as const };
    expect(transition(plain, { kind: 'settled', settled: settled('w-1') }).bootPatch).toBe('not-required');
  });

  it('clears reboot-pending when the facts show a reboot by somebody else', () => {
    const { reading } = settled('w-1');
    if (reading === null) throw new Error('the builder gives a reading');
    const pending = { ...node, state: 'reboot-pending' as const, rebootRequired: true };
    expect(transition(pending, { kind: 'read', reading: { ...reading, rebootRequired: true } }).state).toBe(
      'reboot-pending',
    );
    expect(transition(pending, { kind: 'read', reading })).toMatchObject({ state: 'patched', rebootRequired: false });
  });

  it('keeps a required reboot visible when a later run skips the node', () => {
    const owed = { ...node, rebootRequired: true };
    const missed = settled('w-1', { outcome: 'not-tried', appliedAt: null, reading: null });
    expect(transition(owed, { kind: 'settled', settled: missed })).toMatchObject({
      state: 'reboot-pending',
      lastOutcome: 'not-tried',
    });
  });

  it.each([
    ['patched', true, false, 'restart-pending'],
    ['restart-pending', false, false, 'patched'],
    ['restart-pending', true, false, 'restart-pending'],
    ['reboot-pending', true, false, 'restart-pending'],
    ['reboot-pending', true, true, 'reboot-pending'],
    ['failed', true, false, 'failed'],
  ] as const)(
    'a %s node whose reading says restart %s, reboot %s, is %s',
    (state, restart, rebootRequired, expected) => {
      const { reading } = settled('w-1');
      if (reading === null) throw new Error('no reading');
      const next = {
        ...reading,
        rebootRequired,
        ...defined({ restartRequired: restart ? (true as const) : undefined }),
      };
      const after = transition({ ...node, state, restartRequired: true }, { kind: 'read', reading: next });
      expect(after.state).toBe(expected);
      expect(after.restartRequired).toBe(restart ? true : undefined);
    },
  );

  it('does not report a node cancelled halfway as skipped', () => {
    const after = transition(node, { kind: 'settled', settled: settled('w-1', { outcome: 'cancelled' }) });
    expect(after.state).toBe('failed');
  });

  describe('quarantine', () => {
    const mismatch = { type: 'HostKeyMismatch', message: 'w-1 has another host key' } as const;
    const shutOut = transition(node, {
      kind: 'settled',
      settled: settled('w-1', { outcome: 'failed', reading: null, error: mismatch, workflowRunId: 'r' }),
    });

    it('begins with a changed host key and stays over runs that do not connect to the node', () => {
      expect(shutOut).toMatchObject({ state: 'failed', quarantine: mismatch, lastError: mismatch });
      for (const settledAgain of [
        leftInQuarantine('w-1', mismatch),
        settled('w-1', { outcome: 'not-tried', reading: null, error: { type: 'Cancelled', message: 'no' } }),
        settled('w-1', {
          outcome: 'failed',
          reading: null,
          error: { type: 'Unreachable', message: 'gone' },
          workflowRunId: 'r2',
        }),
      ]) {
        expect(transition(shutOut, { kind: 'settled', settled: settledAgain })).toMatchObject({
          state: 'failed',
          quarantine: mismatch,
          lastError: mismatch,
        });
      }
    });

    it('ends when the trusted keys change, or after a successful login', () => {
      expect(transition(shutOut, { kind: 'trust-changed' })).not.toHaveProperty('quarantine');
      const patched = transition(shutOut, { kind: 'settled', settled: settled('w-1', { workflowRunId: 'r2' }) });
      expect(patched).not.toHaveProperty('quarantine');
      expect(patched).toMatchObject({ state: 'patched', hostKeyAlarm: mismatch.message });
      const again = transition(patched, { kind: 'settled', settled: settled('w-1', { workflowRunId: 'r3' }) });
      expect(again).toMatchObject({ hostKeyAlarm: mismatch.message });
      expect(transition(again, { kind: 'trust-changed' })).not.toHaveProperty('hostKeyAlarm');
    });
  });
});
