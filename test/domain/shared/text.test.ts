import { asSentence, plainLines, plainText, withoutFullStop } from '../../../src/domain/shared/text';

describe('src/domain/shared/text', () => {
  it.each([
    ['control characters', '\u001b]0;x\u0007'],
    ['text that is reordered', '\u202e\u2066'],
    ['soft hyphens and joiners', '\u00ad\u034f\u200d'],
    ['fillers of Hangul', '\u115f\u1160\u3164\uffa0'],
    ['separators of Mongolian', '\u180e\u180b'],
    ['tags, in which other text hides', String.fromCodePoint(0xe0001, 0xe0068, 0xe0069, 0xe007f)],
    ['selectors of variants', `\ufe00${String.fromCodePoint(0xe0100, 0xe01ef)}`],
    ['formats of music', String.fromCodePoint(0x1d173)],
  ])('shows no %s', (_, hidden) => {
    expect(plainText(`w-1${hidden}failed`, 100)).toMatch(/^w-1 (\]0;x )?failed$/);
    expect(plainLines(`w-1\n${hidden}failed`)).toMatch(/^w-1\n(\]0;x)?failed$/);
  });

  it('keeps what people write', () => {
    const written = 'naïve Ünïcode, 日本語, العربية, ⚠️ 🚀';
    expect(plainText(written, 100)).toBe(written);
  });

  it.each([
    ['sudo: a password is required.', 'sudo: a password is required'],
    ['no full stop', 'no full stop'],
    ['and so on...', 'and so on...'],
    ['', ''],
  ])('removes a final full stop from foreign text: %j', (text, expected) => {
    expect(withoutFullStop(text)).toBe(expected);
  });

  it.each([
    ['w-1 refuses sudo', 'w-1 refuses sudo.'],
    ['w-1 says: cut in the mid…', 'w-1 says: cut in the mid…'],
    ['it is full. Nothing was changed', 'it is full. Nothing was changed.'],
    ['a full stop already.', 'a full stop already.'],
  ])('turns a clause into a sentence: %j', (clause, expected) => {
    expect(asSentence(clause)).toBe(expected);
  });
});
