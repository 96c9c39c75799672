import type { PlacedMember } from '../../../src/domain/run/next-step';
import type { OutageView } from '../../../src/domain/run/outages';
import { answerOutages } from '../../../src/domain/run/outages';
import { byPlace } from '../../support/places';

function member(name: string, place: PlacedMember['place'] = 'in-flight'): PlacedMember {
  return { name, role: 'worker', zone: null, stage: 0, place };
}

const TWO = [member('w-1'), member('w-2')];

function viewOf(more: Partial<OutageView> = {}, limits: Partial<OutageView['limits']> = {}): OutageView {
  return {
    ...byPlace(TWO),
    stages: [{ soakMs: 0, concurrency: null }],
    limits: {
      ...{ concurrency: 2, maxUnavailable: 2, oneZoneAtATime: false, maxFailures: 0, onExceeded: 'stop' },
      ...limits,
    },
    rolesApart: true,
    openStage: 0,
    lastSettledMs: null,
    failures: 0,
    unavailable: new Set(),
    window: null,
    forecast: () => ({ ms: 60_000, from: 'node' as const }),
    nowMs: 0,
    asking: ['w-1', 'w-2'],
    inService: new Set(['w-1', 'w-2']),
    paused: false,
    ...more,
  };
}

describe('src/domain/run/outages', () => {
  it('lets as many nodes go as the limit has room for, the longest wait first', () => {
    expect(answerOutages(viewOf())).toEqual({ granted: ['w-1', 'w-2'], sentBack: [], hold: null });
    expect(answerOutages(viewOf({ unavailable: new Set(['x-9']), asking: ['w-2', 'w-1'] }))).toEqual({
      granted: ['w-2'],
      sentBack: [],
      hold: { kind: 'max-unavailable', limit: 2, unavailable: ['x-9', 'w-2'] },
    });
  });

  it('counts a node from the moment it may go, whether it is seen out of service yet or not', () => {
    const view = viewOf({ asking: ['w-2'], inService: new Set(['w-2']) }, { maxUnavailable: 1 });
    expect(answerOutages(view)).toMatchObject({ granted: [], hold: { unavailable: ['w-1'] } });
    expect(
      answerOutages({ ...view, unavailable: new Set(['w-1']), limits: { ...view.limits, maxUnavailable: 2 } }),
    ).toEqual({ granted: ['w-2'], sentBack: [], hold: null });
  });

  it('counts lost nodes, and lets a node go that is out of service already', () => {
    const members = byPlace([...TWO, member('w-3', 'lost')]);
    const limits = { maxUnavailable: 1, maxFailures: 5 };
    expect(answerOutages(viewOf({ ...members, unavailable: new Set(['w-2']) }, limits)).granted).toEqual(['w-2']);
    expect(answerOutages(viewOf({ ...members, asking: ['w-3'] }, limits)).granted).toEqual(['w-3']);
  });

  it('lets nobody go while it is not known how many nodes are out of service', () => {
    expect(answerOutages(viewOf({ unavailable: null }))).toEqual({
      granted: [],
      sentBack: [],
      hold: { kind: 'unobserved' },
    });
    expect(answerOutages(viewOf({ unavailable: null }, { maxUnavailable: null })).granted).toEqual(['w-1', 'w-2']);
  });

  it('sends nodes back that would have to wait in a run that starts none', () => {
    const full = { unavailable: new Set(['x-8', 'x-9']) };
    const back = { granted: [], sentBack: ['w-1', 'w-2'], hold: null };
    expect(answerOutages(viewOf({ ...full, paused: true }))).toEqual(back);
    expect(answerOutages(viewOf({ ...full, failures: 1 }))).toEqual(back);
    expect(answerOutages(viewOf({ ...full, window: { endMs: 59_999, cutoffMs: null } }))).toEqual(back);
    expect(answerOutages(viewOf({ ...full, window: { endMs: 60_000, cutoffMs: null } })).sentBack).toEqual([]);
    expect(answerOutages(viewOf({ paused: true })).granted).toEqual(['w-1', 'w-2']);
  });
});
