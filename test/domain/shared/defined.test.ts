import { defined } from '../../../src/domain/shared/defined';
import type { Defined } from '../../../src/domain/shared/defined';

/** Compiles only while a possibly undefined field is optional, and the others are not. */
const TYPE: Defined<{ a: number; b: string | undefined; c: null }> = { a: 1, c: null };

describe('src/domain/shared/defined', () => {
  it('drops undefined fields, and nothing else', () => {
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
