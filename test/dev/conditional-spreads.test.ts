/** An optional field is written in one way: `defined`, with the field's name once and no empty object. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const SRC = path.resolve(__dirname, '../../src');

const EMPTY_BRANCH = /\?\s*\{\}\s*:\s*\{|\?\s*\{[^{}?;]*\}\s*:\s*\{\}/g;

describe('optional fields in src', () => {
  it('are written with `defined`', () => {
    const found = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [...readFileSync(path.join(SRC, file), 'utf8').matchAll(EMPTY_BRANCH)].map(() => file));
    expect(found).toEqual([]);
  });
});
