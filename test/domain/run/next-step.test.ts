import fc from 'fast-check';
import type { NodeRole } from '../../../src/domain/spec/types';
import type { Forecast } from '../../../src/domain/run/forecast';
import type { MemberPlace, PlacedMember, RunView, Step } from '../../../src/domain/run/next-step';
import { nextStep } from '../../../src/domain/run/next-step';
import { orderNodes } from '../../../src/domain/run/order';
import { stagesOf } from '../../../src/domain/run/stages';
import { byPlace } from '../../support/places';

const MINUTE_MS = 60_000;

function member(name: string, more: Partial<PlacedMember> = {}): PlacedMember {
  return { name, role: 'worker', zone: null, stage: 0, place: 'waiting', ...more };
}

function viewOf(
  members: PlacedMember[],
  more: Partial<RunView> = {},
  limits: Partial<RunView['limits']> = {},
): RunView {
  return {
    ...byPlace(members),
    stages: [{ soakMs: 0, concurrency: null }],
    limits: {
      ...{ concurrency: 1, maxUnavailable: null, oneZoneAtATime: false, maxFailures: 0, onExceeded: 'stop' },
      ...limits,
    },
    rolesApart: true,
    openStage: 0,
    lastSettledMs: null,
    failures: 0,
    unavailable: new Set(),
    window: null,
    forecast: () => ({ ms: 10 * MINUTE_MS, from: 'node' }),
    nowMs: 0,
    ...more,
  };
}

describe('src/domain/run/next-step', () => {
  it('starts as many nodes as may be patched at the same time, in order', () => {
    const members = [member('w-1', { place: 'in-flight' }), member('w-2'), member('w-3'), member('w-4')];
    expect(nextStep(viewOf(members, {}, { concurrency: 3 }))).toEqual({ do: 'start', members: ['w-2', 'w-3'] });
  });

  it('finishes when every node has settled, and waits for those that are lost', () => {
    expect(nextStep(viewOf([member('w-1', { place: 'settled' })]))).toEqual({ do: 'finish' });
    expect(nextStep(viewOf([member('w-1', { place: 'lost' })]))).toMatchObject({ do: 'wait' });
  });

  it('counts nodes that are down for any reason against maxUnavailable, and each node once', () => {
    const members = [member('w-1', { place: 'in-flight' }), member('w-2'), member('w-3')];
    const limits = { concurrency: 3, maxUnavailable: 2 };
    const elsewhere = new Set(['x-9']);
    expect(nextStep(viewOf(members, { unavailable: elsewhere }, limits))).toEqual({
      do: 'wait',
      hold: { kind: 'max-unavailable', limit: 2, unavailable: ['x-9', 'w-1'] },
      untilMs: null,
    });
    expect(nextStep(viewOf(members, { unavailable: new Set(['w-1']) }, limits))).toEqual({
      do: 'start',
      members: ['w-2'],
    });
  });

  it('starts a node that is out of service already, which costs nothing, before others', () => {
    const members = [member('w-1'), member('w-2')];
    const view = viewOf(members, { unavailable: new Set(['w-2']) }, { concurrency: 2, maxUnavailable: 1 });
    expect(nextStep(view)).toEqual({ do: 'start', members: ['w-2'] });
  });

  it('starts nothing before it knows which nodes are out of service', () => {
    const view = viewOf([member('w-1')], { unavailable: null }, { maxUnavailable: 1 });
    expect(nextStep(view)).toMatchObject({ do: 'wait', hold: { kind: 'unobserved' } });
  });

  it('takes control planes one at a time, whatever may be patched at the same time', () => {
    const planes = ['cp-1', 'cp-2', 'cp-3'].map((name) => member(name, { role: 'control-plane' }));
    expect(nextStep(viewOf(planes, {}, { concurrency: 3 }))).toEqual({ do: 'start', members: ['cp-1'] });
    const lost = [member('cp-1', { role: 'control-plane', place: 'lost' }), ...planes.slice(1)];
    expect(nextStep(viewOf(lost, {}, { concurrency: 3, maxFailures: 3 }))).toMatchObject({
      hold: { kind: 'control-plane', member: 'cp-1' },
    });
  });

  it('begins with control planes when no worker is in flight any more', () => {
    const members = [member('w-1', { place: 'in-flight' }), member('cp-1', { role: 'control-plane' })];
    expect(nextStep(viewOf(members, {}, { concurrency: 2 }))).toMatchObject({ hold: { kind: 'role' } });
    expect(nextStep(viewOf(members, { rolesApart: false }, { concurrency: 2 }))).toMatchObject({ do: 'start' });
  });

  it('stays in one zone until none of its nodes is in flight or lost', () => {
    const members = [
      member('a-1', { zone: 'a', place: 'lost' }),
      member('a-2', { zone: 'a' }),
      member('b-1', { zone: 'b' }),
    ];
    const limits = { concurrency: 5, oneZoneAtATime: true, maxFailures: 5 };
    expect(nextStep(viewOf(members, {}, limits))).toEqual({ do: 'start', members: ['a-2'] });
  });

  it('stops or pauses when more nodes have failed than may fail, and holds while lost ones decide', () => {
    const members = [member('w-1', { place: 'settled' }), member('w-2')];
    const failed = { failures: 1 };
    expect(nextStep(viewOf(members, failed))).toMatchObject({ do: 'stop', hold: { failures: 1, limit: 0 } });
    expect(nextStep(viewOf(members, failed, { onExceeded: 'pause' }))).toMatchObject({ do: 'suspend' });
    const busy = [...members, member('w-3', { place: 'in-flight' })];
    expect(nextStep(viewOf(busy, failed, { onExceeded: 'pause' }))).toMatchObject({ do: 'wait' });
    const lost = [member('w-1', { place: 'lost' }), member('w-2')];
    expect(nextStep(viewOf(lost))).toMatchObject({ do: 'wait', hold: { kind: 'lost', members: ['w-1'] } });
    expect(nextStep(viewOf(lost, {}, { maxFailures: 1 }))).toMatchObject({ do: 'start' });
  });

  it('opens a stage when the one before is over and has soaked', () => {
    const stages = [
      { soakMs: MINUTE_MS, concurrency: null },
      { soakMs: 0, concurrency: 1 },
    ];
    const settled = [member('w-1', { place: 'settled' }), member('w-2', { stage: 1 }), member('w-3', { stage: 1 })];
    const busy = [member('w-1', { place: 'in-flight' }), ...settled.slice(1)];
    const limits = { concurrency: 5 };
    expect(nextStep(viewOf(busy, { stages }, limits))).toMatchObject({ hold: { kind: 'stage', members: ['w-1'] } });
    const soaking = { stages, lastSettledMs: 0, nowMs: MINUTE_MS - 1 };
    expect(nextStep(viewOf(settled, soaking, limits))).toMatchObject({ hold: { kind: 'soak' }, untilMs: MINUTE_MS });
    expect(nextStep(viewOf(settled, { ...soaking, nowMs: MINUTE_MS }, limits))).toEqual({
      do: 'start',
      members: ['w-2'],
    });
  });

  it('starts no node whose forecast ends after the window, and suspends the run when none is in flight', () => {
    const members = [member('slow'), member('quick')];
    const forecast = (name: string): Forecast => ({ ms: (name === 'slow' ? 30 : 5) * MINUTE_MS, from: 'node' });
    const window = { endMs: 10 * MINUTE_MS, cutoffMs: null };
    expect(nextStep(viewOf(members, { window, forecast }))).toEqual({ do: 'start', members: ['quick'] });
    const late = { window, forecast, nowMs: 6 * MINUTE_MS };
    expect(nextStep(viewOf(members, late))).toMatchObject({ do: 'suspend', hold: { kind: 'window', next: 'slow' } });
    const busy = [...members, member('other', { place: 'in-flight' })];
    expect(nextStep(viewOf(busy, late, { concurrency: 2 }))).toMatchObject({ do: 'wait', hold: { kind: 'window' } });
  });

  it('is suspended when the window is over, whatever else it waits for', () => {
    const window = { endMs: 60 * MINUTE_MS, cutoffMs: null };
    const forecast = (): Forecast => ({ ms: MINUTE_MS, from: 'node' });
    const down = { window, forecast, unavailable: new Set(['x-1']) };
    const limits = { maxUnavailable: 1 };
    expect(nextStep(viewOf([member('w-1')], down, limits))).toMatchObject({ hold: { kind: 'max-unavailable' } });
    const over = { nowMs: 60 * MINUTE_MS };
    expect(nextStep(viewOf([member('w-1')], { ...down, ...over }, limits))).toMatchObject({
      do: 'suspend',
      hold: { kind: 'window', forecast: null },
    });
    const stages = [
      { soakMs: 90 * MINUTE_MS, concurrency: null },
      { soakMs: 0, concurrency: null },
    ];
    const soaking = { window, forecast, stages, lastSettledMs: 0 };
    const members = [member('w-1', { place: 'settled' }), member('w-2', { stage: 1 })];
    expect(nextStep(viewOf(members, soaking))).toMatchObject({ do: 'wait', hold: { kind: 'soak' } });
    expect(nextStep(viewOf(members, { ...soaking, ...over }))).toMatchObject({ do: 'suspend' });
    const lost = [member('w-1', { place: 'lost' }), member('w-2')];
    expect(nextStep(viewOf(lost, { window, forecast }))).toMatchObject({ do: 'wait', hold: { kind: 'lost' } });
    expect(nextStep(viewOf(lost, { window, forecast, ...over }))).toMatchObject({ do: 'suspend' });
    // Somebody has to decide, also when the next window begins.
    const failed = { window, forecast, failures: 1, ...over };
    expect(nextStep(viewOf([member('w-1')], failed, { onExceeded: 'pause' }))).toMatchObject({
      do: 'suspend',
      hold: { kind: 'budget' },
    });
  });

  it('waits for nodes to come back while one of those that wait still fits into the window', () => {
    const forecast = (name: string): Forecast => ({ ms: (name === 'slow' ? 30 : 5) * MINUTE_MS, from: 'node' });
    const window = { endMs: 10 * MINUTE_MS, cutoffMs: null };
    const view = { window, forecast, unavailable: new Set(['x-1']) };
    expect(nextStep(viewOf([member('slow'), member('quick')], view, { maxUnavailable: 1 }))).toMatchObject({
      do: 'wait',
      hold: { kind: 'max-unavailable' },
    });
  });

  it('starts no node after a fixed cutoff', () => {
    const window = { endMs: 60 * MINUTE_MS, cutoffMs: 30 * MINUTE_MS };
    expect(nextStep(viewOf([member('w-1')], { window, nowMs: 30 * MINUTE_MS }))).toMatchObject({ do: 'suspend' });
    expect(nextStep(viewOf([member('w-1')], { window, nowMs: 29 * MINUTE_MS }))).toMatchObject({ do: 'start' });
  });
});

/** One thing that happens to a run: a node in flight ends or is lost, a lost one ends, a node goes down, time passes. */
type Happening = { pick: number; end: 'patched' | 'failed' | 'lost'; outage: number; minutes: number };

const fleets = fc.record({
  nodes: fc.array(
    fc.record({
      role: fc.constantFrom<NodeRole>('worker', 'worker', 'worker', 'control-plane'),
      zone: fc.constantFrom('a', 'b', 'c'),
    }),
    { minLength: 1, maxLength: 30 },
  ),
  concurrency: fc.integer({ min: 1, max: 12 }),
  maxUnavailable: fc.option(fc.integer({ min: 1, max: 10 })),
  oneZoneAtATime: fc.boolean(),
  maxFailures: fc.integer({ min: 0, max: 5 }),
  onExceeded: fc.constantFrom<'stop' | 'pause'>('stop', 'pause'),
  canary: fc.option(fc.integer({ min: 1, max: 5 })),
  rolesApart: fc.boolean(),
  windowMinutes: fc.option(fc.integer({ min: 1, max: 600 })),
  happenings: fc.array(
    fc.record({
      pick: fc.nat(1_000),
      end: fc.constantFrom<Happening['end']>('patched', 'patched', 'patched', 'failed', 'lost'),
      outage: fc.nat(60),
      minutes: fc.integer({ min: 0, max: 30 }),
    }),
    { maxLength: 150 },
  ),
});

describe('src/domain/run/next-step: any run of any fleet', () => {
  it('keeps every limit at every instant, starts no node twice, and takes every node that its limits let it take', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const specs = fleet.nodes.map((node, at) => ({ name: `n-${at}`, ...node }));
        const ordered = orderNodes(specs, 'workers-first', new Map());
        const soakMs = 10 * MINUTE_MS;
        const stages = stagesOf(ordered, fleet.canary === null ? [] : [{ nodes: fleet.canary, soak: '10m' }]);
        const roleOf = new Map(specs.map(({ name, role }) => [name, role]));
        const zoneOf = new Map(specs.map(({ name, zone }) => [name, zone]));
        const order = stages.flatMap(({ nodes }, stage) => nodes.map((name) => ({ name, stage })));
        const place = new Map<string, MemberPlace>(order.map(({ name }) => [name, 'waiting']));
        const down = new Set<string>();
        const startedTimes = new Map<string, number>();
        let [nowMs, failures, openStage] = [0, 0, 0];
        let lastSettledMs: number | null = null;
        const endMs = fleet.windowMinutes === null ? null : fleet.windowMinutes * MINUTE_MS;
        const inPlace = (wanted: MemberPlace): string[] =>
          order.map(({ name }) => name).filter((name) => place.get(name) === wanted);
        const step = (): Step =>
          nextStep({
            ...byPlace(
              order.map(({ name, stage }) => ({
                ...{ name, stage, role: roleOf.get(name) ?? null, zone: zoneOf.get(name) ?? null },
                place: place.get(name) ?? 'waiting',
              })),
            ),
            stages,
            limits: { ...fleet },
            ...{ rolesApart: fleet.rolesApart, openStage, lastSettledMs, failures, unavailable: down, nowMs },
            window: endMs === null ? null : { endMs, cutoffMs: null },
            forecast: () => ({ ms: 15 * MINUTE_MS, from: 'node' }),
          });
        const settle = (name: string, failed: boolean): void => {
          place.set(name, 'settled');
          lastSettledMs = nowMs;
          if (failed) failures += 1;
        };
        const startAll = (): Step => {
          for (;;) {
            const next = step();
            if (next.do !== 'start') return next;
            for (const name of next.members) {
              expect(place.get(name)).toBe('waiting');
              const openBefore = [...inPlace('in-flight'), ...inPlace('lost')];
              const outBefore = new Set([...down, ...openBefore]);
              place.set(name, 'in-flight');
              startedTimes.set(name, (startedTimes.get(name) ?? 0) + 1);
              const stage = order.find((one) => one.name === name)?.stage ?? 0;
              expect(inPlace('in-flight').length).toBeLessThanOrEqual(fleet.concurrency);
              if (fleet.maxUnavailable !== null && !outBefore.has(name))
                expect(outBefore.size + 1).toBeLessThanOrEqual(fleet.maxUnavailable);
              if (roleOf.get(name) === 'control-plane')
                expect(openBefore.filter((one) => roleOf.get(one) === 'control-plane')).toEqual([]);
              if (fleet.oneZoneAtATime)
                expect(openBefore.filter((one) => zoneOf.get(one) !== zoneOf.get(name))).toEqual([]);
              expect(failures + inPlace('lost').length).toBeLessThanOrEqual(fleet.maxFailures);
              if (stage > 0 && openStage === 0) {
                expect(nowMs - (lastSettledMs ?? 0)).toBeGreaterThanOrEqual(soakMs);
                expect(openBefore.filter((one) => place.get(one) === 'in-flight')).toEqual([]);
              }
              if (endMs !== null) expect(nowMs + 15 * MINUTE_MS).toBeLessThanOrEqual(endMs);
              openStage = Math.max(openStage, stage);
            }
          }
        };
        for (const { pick, end, outage, minutes } of fleet.happenings) {
          startAll();
          nowMs += minutes * MINUTE_MS;
          const elsewhere = specs[outage]?.name;
          if (elsewhere !== undefined && place.get(elsewhere) !== 'in-flight') {
            if (down.has(elsewhere)) down.delete(elsewhere);
            else down.add(elsewhere);
          }
          const open = [...inPlace('in-flight'), ...inPlace('lost')];
          const name = open[pick % Math.max(1, open.length)];
          if (name === undefined) continue;
          if (end === 'lost' && place.get(name) === 'in-flight') place.set(name, 'lost');
          else settle(name, end === 'failed');
        }
        // Everything comes back and nothing else goes wrong: what is left over must have a reason that does not pass.
        down.clear();
        for (;;) {
          const next = startAll();
          nowMs += 20 * MINUTE_MS;
          const open = [...inPlace('in-flight'), ...inPlace('lost')];
          for (const name of open) settle(name, false);
          if (open.length > 0 || (next.do === 'wait' && next.hold.kind === 'soak')) continue;
          const left = inPlace('waiting');
          if (next.do === 'finish') expect(left).toEqual([]);
          else if (next.do === 'stop' || (next.do === 'suspend' && next.hold.kind === 'budget'))
            expect(failures).toBeGreaterThan(fleet.maxFailures);
          else expect(next).toMatchObject({ do: 'suspend', hold: { kind: 'window' } });
          break;
        }
        for (const count of startedTimes.values()) expect(count).toBe(1);
      }),
      { numRuns: Number(process.env['OSPATCH_PROPERTY_RUNS'] ?? 1_000) },
    );
  });
});
