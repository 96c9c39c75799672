import { asSentence, withoutFullStop } from '../../../src/domain/shared/text';

describe('src/domain/shared/text', () => {
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
