import { hmacSha1 } from '../../../src/client/load/host-keys';
import { hostKeysFor } from '../../../src/domain/trust/known-hosts';
import { otherNamesOf, replaceHostKeys } from '../../../src/domain/trust/replace-known-hosts';
import { keyPair } from '../../ssh/support';

const key = (type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519'): string => keyPair(type).public;
const [OLD, NEW, OTHER] = [key(), key(), key()];
const [OLD_RSA, NEW_RSA] = [key('rsa'), key('rsa')];

function replace(text: string, names: string[], keys: string[]): string {
  return replaceHostKeys(text, { names, keys }, hmacSha1);
}

function hashed(name: string): string {
  const salt = Buffer.from('a salt of twenty byt').toString('base64');
  return `|1|${salt}|${hmacSha1(salt, name)}`;
}

describe('src/domain/trust/replace-known-hosts', () => {
  test('replaces the key of a name in its line, and leaves comments and other machines as they are', () => {
    const text = `# site b\nw-2 ${OTHER}\nw-1 ${OLD} rack 4\n\n[w-1]:2222 ${OLD}\nnot a line\n`;
    expect(replace(text, ['w-1'], [NEW])).toBe(text.replace(`w-1 ${OLD} rack 4`, `w-1 ${NEW} rack 4`));
  });

  test('replaces each type by its own, removes a type that the machine has no more, and keeps a key that it still has', () => {
    const text = `w-1 ${OLD}\nw-1 ${OLD_RSA}\nw-1 ${OTHER}\n`;
    expect(replace(text, ['w-1'], [NEW, NEW_RSA])).toBe(`w-1 ${NEW}\nw-1 ${NEW_RSA}\n`);
    expect(replace(text, ['w-1'], [NEW])).toBe(`w-1 ${NEW}\n`);
    expect(replace(text, ['w-1'], [NEW, OLD_RSA])).toBe(`w-1 ${NEW}\nw-1 ${OLD_RSA}\n`);
  });

  test('adds a key of a new type below the line of the name', () => {
    expect(replace(`w-1 ${OLD_RSA}\nw-2 ${OTHER}\n`, ['w-1'], [NEW])).toBe(`w-1 ${NEW}\nw-2 ${OTHER}\n`);
    expect(replace(`w-2 ${OTHER}`, ['w-1'], [NEW])).toBe(`w-2 ${OTHER}\nw-1 ${NEW}\n`);
    expect(replace('', ['w-1'], [NEW])).toBe(`w-1 ${NEW}\n`);
  });

  test('takes the other names of a line along only where they are the same machine', () => {
    const text = `w-1,10.0.0.1,w-2 ${OLD}\n`;
    expect(otherNamesOf(text, ['w-1'], [OLD])).toEqual(['10.0.0.1', 'w-2']);
    expect(replace(text, ['w-1', '10.0.0.1'], [NEW])).toBe(`w-2 ${OLD}\nw-1,10.0.0.1 ${NEW}\n`);
  });

  test('moves a name on a line of its own too', () => {
    const text = `w-1 ${OLD}\n10.0.0.1 ${OLD}\n`;
    expect(replace(text, ['w-1', '10.0.0.1'], [NEW])).toBe(`w-1 ${NEW}\n10.0.0.1 ${NEW}\n`);
  });

  test('takes a name out of a pattern, which is about other machines too', () => {
    const changed = replace(`*.prod,!x.prod ${OLD}\n`, ['w-1.prod'], [NEW]);
    expect(changed).toBe(`*.prod,!x.prod,!w-1.prod ${OLD}\nw-1.prod ${NEW}\n`);
    expect(hostKeysFor(changed, 'w-1.prod', 22, hmacSha1).keys).toEqual([NEW]);
    expect(hostKeysFor(changed, 'w-2.prod', 22, hmacSha1).keys).toEqual([OLD]);
  });

  test('keeps a hashed name hashed, also for a key of another type', () => {
    const [name, other] = [hashed('w-1'), hashed('w-2')];
    const text = `${name} ${OLD}\n${other} ${OLD}\n`;
    expect(replace(text, ['w-1'], [NEW])).toBe(`${name} ${NEW}\n${other} ${OLD}\n`);
    expect(replace(text, ['w-1'], [NEW, NEW_RSA])).toBe(`${name} ${NEW}\n${name} ${NEW_RSA}\n${other} ${OLD}\n`);
  });

  test('never touches revoked keys and authorities', () => {
    const marked = `@revoked w-1 ${OLD}\n@cert-authority * ${OTHER}\n`;
    expect(replace(`${marked}w-1 ${OLD}\n`, ['w-1'], [NEW])).toBe(`${marked}w-1 ${NEW}\n`);
  });

  test('is done once: a second time nothing changes', () => {
    const once = replace(`w-1,*.prod ${OLD}\nw-1 ${OLD_RSA}\r\n`, ['w-1'], [NEW, NEW_RSA]);
    expect(replace(once, ['w-1'], [NEW, NEW_RSA])).toBe(once);
  });
});
