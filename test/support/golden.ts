/** Texts kept beside the tests, to be read as a user sees them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** The kept text `name` in `directory`; with UPDATE_GOLDENS=1 in the environment, `text` is kept instead. */
export function golden(directory: string, name: string, text: string): string {
  const file = path.join(directory, 'goldens', `${name}.txt`);
  if (process.env['UPDATE_GOLDENS'] === '1') {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }
  return readFileSync(file, 'utf8').replace(/\n$/, '');
}
