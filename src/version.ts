import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Version of this package of ospatch, e.g. `0.1.0`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
