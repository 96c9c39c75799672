/** Messages are stored as clauses, so that they can be joined; rendering adds the full stop. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const SRC = path.resolve(__dirname, '../../src');

/** A message, or a one-line finding, with a full stop as last character. */
const WITH_FULL_STOP = /(?:\bmessage(?::| =)|\b(?:problem|warning|ok)\('[a-z-]+',)\s*(['"`])(?:(?!\1).)*[^.]\.\1/g;

describe('messages of src', () => {
  it('end without a full stop', () => {
    const found: string[] = [];
    for (const file of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      for (const [text] of readFileSync(path.join(SRC, file), 'utf8').matchAll(WITH_FULL_STOP))
        found.push(`${file}: ${text}`);
    }
    expect(found).toEqual([]);
  });
});
