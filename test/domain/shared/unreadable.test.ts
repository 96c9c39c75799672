import { parseMessage } from '../../../src/domain/cluster/messages';
import { unreadable, whyUnreadable } from '../../../src/domain/shared/unreadable';

describe('src/domain/shared/unreadable', () => {
  test('is distinguished from a value, with the reason, and rejected with that reason', () => {
    expect(whyUnreadable(unreadable('no key\u001b[2J'))).toBe('no key [2J');
    for (const value of ['no key', 5, null, {}, undefined]) expect(whyUnreadable(value)).toBeNull();
    expect(parseMessage(unreadable('no key'))).toEqual({ ok: false, why: 'the input cannot be read: no key' });
  });
});
