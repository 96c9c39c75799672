/** What a release consists of: made by scripts/test-packages.sh for all tests of packages, else by the test that asks. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Releases } from '../../tools/releases';
import { makeReleases, releasesIn } from '../../tools/releases';

export interface MadeReleases extends Releases {
  /** Removes what this test has made. */
  close(): void;
}

/** A test that is written may keep those that were made before: `OSPATCH_RELEASES`. */
export async function findReleases(): Promise<MadeReleases> {
  const made = process.env['OSPATCH_RELEASES'];
  if (made !== undefined) return { ...releasesIn(made), close: () => undefined };
  const directory = mkdtempSync(path.join(tmpdir(), 'ospatch-releases-'));
  const releases = await makeReleases(path.join(directory, 'made'), () => undefined);
  return { ...releases, close: () => rmSync(directory, { recursive: true, force: true }) };
}

/** The only file of a release whose name fits. */
export function fileOf(release: string, name: RegExp): string {
  const [file, ...more] = readdirSync(release).filter((one) => name.test(one));
  if (file === undefined || more.length > 0) throw new Error(`${release} has not exactly one file ${String(name)}`);
  return path.join(release, file);
}
