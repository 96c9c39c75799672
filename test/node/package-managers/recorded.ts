/** Captured output of package managers, one file per case; `from` names the origin of the capture. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

export interface Recorded {
  file: string;
  claim: string;
  installed?: string[];
  output: string[];
  changes: string[];
}

/** The cases of the directory `dir` beside this file. */
export function recorded(dir: string): Recorded[] {
  return readdirSync(path.join(__dirname, dir)).map((file) => ({
    ...(JSON.parse(readFileSync(path.join(__dirname, dir, file), 'utf8')) as Omit<Recorded, 'file'>),
    file,
  }));
}
