import fc from 'fast-check';
import { completeLines, logGrowth } from '../../../src/domain/shared/log-growth';

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => `Unpacking package ${from + at} ...\n`).join('');

describe('src/domain/shared/log-growth', () => {
  it.each<[string, string, string, { text: string; isGap: boolean }]>([
    ['nothing new', lines(0, 3), lines(0, 3), { text: '', isGap: false }],
    ['the first lines', '', lines(0, 2), { text: lines(0, 2), isGap: false }],
    ['lines at the end', lines(0, 2), lines(0, 4), { text: lines(2, 4), isGap: false }],
    ['lines at the end of a window that has moved', lines(0, 40), lines(20, 50), { text: lines(40, 50), isGap: false }],
    ['nothing in common', lines(0, 10), lines(30, 40), { text: lines(30, 40), isGap: true }],
    ['a log that was emptied', lines(0, 10), '', { text: '', isGap: true }],
  ])('finds %s', (_, before, now, growth) => {
    expect(logGrowth(before, now)).toEqual(growth);
  });

  it('finds what is new also when a log repeats itself, whatever the window', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a\n', 'b\n', 'aa\n'), { maxLength: 400 }),
        fc.nat(),
        fc.nat(),
        (log, a, b) => {
          const end = a % (log.length + 1);
          const start = b % (end + 1);
          const { text, isGap } = logGrowth(log.slice(0, end).join(''), log.slice(start).join(''));
          // A window without an overlap cannot be told from one with.
          if (isGap || end === start) return true;
          return log.slice(end).join('').endsWith(text);
        },
      ),
    );
  });

  it('leaves out a line that is still being written', () => {
    expect(completeLines('one\ntwo\nthr')).toBe('one\ntwo\n');
    expect(completeLines('one')).toBe('');
  });
});
