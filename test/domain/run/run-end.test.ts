import type { Forecast } from '../../../src/domain/run/forecast';
import { forecastRunEnd } from '../../../src/domain/run/run-end';

const NOW = Date.parse('2026-11-29T00:00:00Z');
const MINUTE = 60_000;

function minutesLeft(
  run: { inFlight?: [string, number][]; waiting?: string[]; places: number; soakMinutes?: number },
  forecast: (name: string) => Forecast = () => ({ ms: 10 * MINUTE, from: 'node' }),
) {
  const { inFlight = [], waiting = [], places, soakMinutes = 0 } = run;
  const end = forecastRunEnd({
    inFlight: inFlight.map(([name, minutes]) => ({ name, sinceMs: NOW - minutes * MINUTE })),
    ...{ waiting, places, soakMs: soakMinutes * MINUTE, forecast, nowMs: NOW },
  });
  return end === null ? null : [(Date.parse(end.at) - NOW) / MINUTE, end.from];
}

describe('src/domain/run/run-end', () => {
  test('fills each place as soon as it is free', () => {
    expect(minutesLeft({ waiting: ['a', 'b', 'c', 'd', 'e'], places: 2 })).toEqual([30, 'node']);
    expect(
      minutesLeft({
        inFlight: [
          ['a', 4],
          ['b', 0],
        ],
        waiting: ['c'],
        places: 2,
      }),
    ).toEqual([16, 'node']);
    expect(minutesLeft({ inFlight: [['a', 4]], waiting: ['b'], places: 2 })).toEqual([10, 'node']);
  });

  test('adds the soaks before the last node', () => {
    expect(minutesLeft({ waiting: ['a', 'b'], places: 2, soakMinutes: 60 })).toEqual([70, 'node']);
    expect(minutesLeft({ inFlight: [['a', 0]], places: 2, soakMinutes: 60 })).toEqual([10, 'node']);
  });

  test('assumes of a patch that takes longer than its forecast that it ends now', () => {
    expect(minutesLeft({ inFlight: [['a', 99]], waiting: [], places: 1 })).toEqual([0, 'node']);
  });

  test('with more in flight than places, as after a lower limit, starts nothing before all of those but one have ended', () => {
    const inFlight: [string, number][] = [
      ['a', 0],
      ['b', 5],
      ['c', 0],
    ];
    expect(minutesLeft({ inFlight, waiting: ['d'], places: 1 })).toEqual([20, 'node']);
  });

  test('says the weakest of what it rests on, and nothing when nothing is left', () => {
    const guess = (name: string): Forecast => ({ ms: MINUTE, from: name === 'b' ? 'guess' : 'cluster' });
    expect(minutesLeft({ waiting: ['a'], places: 1 }, guess)).toEqual([1, 'cluster']);
    expect(minutesLeft({ waiting: ['a', 'b'], places: 1 }, guess)).toEqual([2, 'guess']);
    expect(minutesLeft({ places: 3 })).toBeNull();
  });
});
