import { alertHold, firingHold, hasChanged } from '../../../src/domain/alerts/gate';
import type { AlertReading } from '../../../src/domain/alerts/types';

const PASS: AlertReading = { result: 'pass', names: [], total: 0 };
const FAIL: AlertReading = { result: 'fail', names: ['HighLoad'], total: 1 };
const UNKNOWN: AlertReading = { result: 'unknown', names: [], total: 0, why: 'am:9093 does not answer' };
const NOW = 1_000_000;

const view = (reading: AlertReading | null, quietSinceMs: number | null = null, holdForMs = 60_000) => ({
  ...{ reading, quietSinceMs, holdForMs },
});

describe('domain/alerts/gate', () => {
  it('holds the next node as long as nothing is known, an alert fires, or Alertmanager does not answer', () => {
    expect(alertHold(view(null), null, NOW)).toEqual({ kind: 'alerts-unknown', why: null });
    expect(alertHold(view(FAIL), null, NOW)).toEqual({ kind: 'alerts', names: ['HighLoad'], total: 1 });
    expect(alertHold(view(UNKNOWN), null, NOW)).toEqual({ kind: 'alerts-unknown', why: 'am:9093 does not answer' });
    expect(alertHold(view(PASS), null, NOW)).toBeNull();
  });

  it('waits for holdFor after the last node and after the last alert', () => {
    const ends = NOW - 10_000;
    expect(alertHold(view(PASS), ends, NOW)).toEqual({ kind: 'alerts-quiet', untilMs: ends + 60_000 });
    expect(alertHold(view(PASS, NOW - 5_000), ends, NOW)).toEqual({ kind: 'alerts-quiet', untilMs: NOW + 55_000 });
    expect(alertHold(view(PASS, null, 0), ends, NOW)).toBeNull();
    expect(alertHold(view(PASS), NOW - 60_000, NOW)).toBeNull();
  });

  it('lets a node that was started go on without waiting for holdFor', () => {
    expect(firingHold(PASS)).toBeNull();
    expect(firingHold(FAIL)).toMatchObject({ kind: 'alerts' });
  });

  it('tells a run of another result at once, and of other names only when that is due', () => {
    const more: AlertReading = { result: 'fail', names: ['DiskFull', 'HighLoad'], total: 2 };
    expect(hasChanged(FAIL, PASS, false)).toBe(true);
    expect(hasChanged(FAIL, more, false)).toBe(false);
    expect(hasChanged(FAIL, more, true)).toBe(true);
    expect(hasChanged(UNKNOWN, { ...UNKNOWN, why: 'another reason' }, true)).toBe(false);
  });
});
