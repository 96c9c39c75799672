import { defined } from '../../../src/domain/shared/defined';
import type { Defined } from '../../../src/domain/shared/defined';

/** Does not compile unless a field that may be undefined may be absent, and the others may not. */
const TYPE: Defined<{ a: number; b: string | undefined; c: null }> = { a: 1, c: null };

describe('src/domain/shared/defined', () => {
  it('leaves out what is undefined, and nothing else', () => {
    expect(Object.entries(defined({ a: 0, b: undefined, c: null, d: false, e: '', f: NaN }))).toEqual([
      ['a', 0],
      ['c', null],
      ['d', false],
      ['e', ''],
      ['f', NaN],
    ]);
    expect(defined({ ...TYPE, b: undefined })).toStrictEqual({ a: 1, c: null });
  });
});
