/** A name that is exported twice has two meanings, and readers confuse them. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const SRC = path.resolve(__dirname, '../../src');

/** Names that the Temporal SDK looks for in a module. */
const GIVEN_NAMES = new Set(['failureConverter', 'interceptors', 'payloadConverter']);

const EXPORTED = /^export (?:abstract |async )*(?:function\*?|const|class|interface|type) (\w+)/gm;

describe('names exported by src', () => {
  it('have one meaning each', () => {
    const places = new Map<string, string[]>();
    for (const file of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      for (const [, name = ''] of readFileSync(path.join(SRC, file), 'utf8').matchAll(EXPORTED)) {
        places.set(name, [...(places.get(name) ?? []), file]);
      }
    }
    expect(places.size).toBeGreaterThan(500);
    const twice = [...places].filter(([name, files]) => new Set(files).size > 1 && !GIVEN_NAMES.has(name));
    expect(twice).toEqual([]);
  });
});
