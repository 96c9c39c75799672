import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { MUTATIONS } from '../../tools/mutations/guards';

const ROOT = path.join(__dirname, '../..');

describe('tools/mutations', () => {
  it.each(MUTATIONS)('finds the guard of "$name" exactly once, and its tests', ({ file, from, tests }) => {
    expect(readFileSync(path.join(ROOT, file), 'utf8').split(from)).toHaveLength(2);
    expect(tests.filter((test) => !existsSync(path.join(ROOT, test)))).toEqual([]);
  });
});
