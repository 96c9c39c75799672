import fc from 'fast-check';
import type { MemberPlace, PlacedMember } from '../../../src/domain/run/next-step';
import { RunPlaces } from '../../../src/domain/run/places';
import { byPlace } from '../../support/places';

const PLACES: MemberPlace[] = ['waiting', 'in-flight', 'lost', 'settled'];
const NAMES = ['w-0', 'w-1', 'w-2', 'w-3', 'w-4'];

function member(name: string): Omit<PlacedMember, 'place'> {
  return { name, role: 'worker', zone: null, stage: 0 };
}

describe('src/domain/run/places', () => {
  it('knows after every move who stands where, and who of those that wait is next', () => {
    const moves = fc.array(fc.tuple(fc.constantFrom(...NAMES, 'nobody'), fc.constantFrom(...PLACES)));
    fc.assert(
      fc.property(moves, (all) => {
        const places = new RunPlaces(NAMES.map(member));
        const expected = new Map<string, MemberPlace>(NAMES.map((name) => [name, 'waiting']));
        for (const [name, place] of all) {
          places.move(name, place);
          if (expected.has(name)) expected.set(name, place);
        }
        const wanted = byPlace([...expected].map(([name, place]) => ({ ...member(name), place })));
        const found = places.byPlace();
        expect(found.waiting).toEqual(wanted.waiting);
        expect(new Set(found.inFlight)).toEqual(new Set(wanted.inFlight));
        expect(new Set(found.lost)).toEqual(new Set(wanted.lost));
        expect(places.isSettled).toBe([...expected.values()].every((place) => place === 'settled'));
      }),
    );
  });

  it('takes in a member of which nothing but its patch is left', () => {
    const places = new RunPlaces([member('w-0')]);
    places.move('w-0', 'settled');
    places.addInFlight(member('gone'));
    expect(places.byPlace().inFlight).toEqual([{ ...member('gone'), place: 'in-flight' }]);
    places.move('gone', 'settled');
    expect(places.isSettled).toBe(true);
  });
});
