/**
 * Two releases of what is in the working tree, made in two clones in different places, for the tests of packages.
 * Usage: node tools/run.js releases DIRECTORY
 */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';

import type { CommandOptions, Log } from '../src/dev/host';
import { mustRun, timed } from '../src/dev/host';

const ROOT = path.join(__dirname, '..');

/** Building is usually a minute, and several on a busy machine. */
const LIMIT_MS = 20 * 60_000;

export interface Releases {
  /** Directories with the files of the two releases, which have to be the same. */
  first: string;
  second: string;
  /** The clone that the first one was made of. */
  clone: string;
  /** The public key with which both are signed. */
  signer: string;
}

/** Where `makeReleases` puts them. */
export function releasesIn(directory: string): Releases {
  const at = (name: string): string => path.join(directory, name);
  return { first: at('first'), second: at('second'), clone: at('one/ospatch'), signer: at('release_key.pub') };
}

/** `directory` must not exist. */
export async function makeReleases(directory: string, log: Log): Promise<Releases> {
  mkdirSync(directory, { recursive: true });
  const releases = releasesIn(directory);
  const { first, second, clone, signer } = releases;
  const other = path.join(directory, 'a-longer-way/to/ospatch');
  await mustRun('git', ['clone', '--quiet', ROOT, clone]);
  await takeChanges(clone);
  await mustRun('git', ['clone', '--quiet', clone, other]);
  const key = signer.replace(/\.pub$/, '');
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'throwaway', '-f', key]);
  await Promise.all([linkPackages(clone), linkPackages(other)]);
  const make = (from: string, to: string): Promise<string> =>
    mustRun(path.join(from, 'scripts/release.sh'), ['--sign', key, to], { cwd: from, timeoutMs: LIMIT_MS });
  await timed(log, 'Making two releases', '1 min', () => Promise.all([make(clone, first), make(other, second)]));
  return releases;
}

/** What is not committed becomes a commit of the clone, because a release is made of a commit. */
async function takeChanges(clone: string): Promise<void> {
  const here: CommandOptions = { cwd: ROOT };
  const list = async (...args: string[]): Promise<string[]> =>
    (await mustRun('git', ['ls-files', '-z', ...args], here)).split('\0').filter((name) => name !== '');
  const changed = (await mustRun('git', ['diff', '--name-only', '-z', '--diff-filter=d', 'HEAD'], here)).split('\0');
  const removed = await list('--deleted');
  const written = [...changed, ...(await list('--others', '--exclude-standard'))].filter((name) => name !== '');
  if (written.length === 0 && removed.length === 0) return;
  for (const name of written) {
    mkdirSync(path.dirname(path.join(clone, name)), { recursive: true });
    copyFileSync(path.join(ROOT, name), path.join(clone, name));
  }
  if (removed.length > 0) await mustRun('git', ['rm', '--quiet', '--', ...removed], { cwd: clone });
  await mustRun('git', ['add', '--all'], { cwd: clone });
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false'];
  await mustRun('git', [...identity, 'commit', '--quiet', '--no-verify', '-m', 'The working tree'], { cwd: clone });
}

/** Hard links, so that neither place nor time is taken; npm is told that they are complete. */
async function linkPackages(clone: string): Promise<void> {
  const from = path.join(ROOT, 'node_modules');
  const to = path.join(clone, 'node_modules');
  await mustRun('cp', ['--archive', '--link', from, to]).catch(() => mustRun('cp', ['--archive', from, to]));
  const mark = path.join(to, '.package-lock.json');
  await mustRun('cp', ['--remove-destination', path.join(from, '.package-lock.json'), mark]);
}

async function main([directory, ...more]: string[]): Promise<void> {
  if (directory === undefined || more.length > 0) {
    console.error('usage: node tools/run.js releases DIRECTORY');
    process.exitCode = 2;
    return;
  }
  try {
    const { first } = await makeReleases(path.resolve(directory), (line) => console.log(line));
    for (const name of readdirSync(first)) console.log(`  ${name}`);
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === __filename) void main(process.argv.slice(2));
