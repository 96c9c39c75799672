/** A release as a whole: two of the same commit are the same, and the words of the documents check one. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun, runProgram } from '../../src/dev/host';
import { helm } from '../support/helm';
import { fencedBlocks } from '../support/markdown';
import type { MadeReleases } from '../support/releases';
import { fileOf, findReleases } from '../support/releases';
import '../support/slow-suite';

const ROOT = path.join(__dirname, '../..');
const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** Longer than the two releases take on a busy machine. */
const BUILD_MS = 25 * 60_000;

let releases: MadeReleases;
let dir: string;

beforeAll(async () => {
  releases = await findReleases();
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-release-'));
}, BUILD_MS);

afterAll(() => {
  releases?.close();
  rmSync(dir, { recursive: true, force: true });
});

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function json<T>(name: RegExp): T {
  return JSON.parse(readFileSync(fileOf(releases.first, name), 'utf8')) as T;
}

/** The commands with which a reader checks a release, without the one that asks a registry. */
function checkingWords(): string {
  const text = readFileSync(path.join(ROOT, 'docs/releasing.md'), 'utf8');
  const [, section = ''] = text.split('\n### Checking a release\n');
  const [block] = fencedBlocks(section, 'sh');
  return (block?.code ?? '')
    .split('\n')
    .filter((line) => !line.startsWith('npm '))
    .join('\n');
}

/** The files as somebody has fetched them, with the key of the maintainers from elsewhere. */
function fetched(name: string): string {
  const copy = path.join(dir, name);
  cpSync(releases.first, copy, { recursive: true });
  const [type, key] = readFileSync(releases.signer, 'utf8').split(' ');
  writeFileSync(path.join(copy, 'allowed_signers'), `maintainer@ospatch ${type} ${key}\n`);
  return copy;
}

describe('scripts/release.sh', () => {
  it('makes the package of npm, that of Debian, the image, the chart and their papers', async () => {
    const arch = (await mustRun('dpkg', ['--print-architecture'])).trim();
    expect(readdirSync(releases.first).toSorted()).toEqual(
      [
        'SHA256SUMS',
        'SHA256SUMS.sig',
        `ospatch-${version}-linux-${arch}.cdx.json`,
        `ospatch-${version}-linux-${arch}.oci.tar`,
        `ospatch-${version}.cdx.json`,
        `ospatch-${version}.intoto.json`,
        `ospatch-${version}.tgz`,
        `ospatch-chart-${version}.tgz`,
        `ospatch_${version}_${arch}.deb`,
      ].toSorted(),
    );
  });

  it('makes the same bytes of the same commit in another place', () => {
    const digests = (release: string) =>
      Object.fromEntries(readdirSync(release).map((name) => [name, sha256(path.join(release, name))]));
    expect(digests(releases.second)).toEqual(digests(releases.first));
  });

  it('makes what the words of docs/releasing.md accept, and refuse when a file or the digests were changed', async () => {
    const words = checkingWords();
    expect(words).toMatch(/^ssh-keygen -Y verify .*\nsha256sum -c /);
    const check = (cwd: string) => runProgram('sh', ['-ec', words], { cwd });
    const whole = fetched('whole');
    const good = await check(whole);
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Good "ospatch-release" signature') as string,
    });
    // Who needs one file fetches one.
    rmSync(fileOf(whole, /\.oci\.tar$/));
    expect((await check(whole)).code).toBe(0);

    const file = fetched('file');
    writeFileSync(fileOf(file, /\.deb$/), 'another one');
    expect((await check(file)).code).not.toBe(0);
    const sums = path.join(fetched('sums'), 'SHA256SUMS');
    writeFileSync(sums, `${readFileSync(sums, 'utf8')}${'0'.repeat(64)}  another\n`);
    expect((await check(path.dirname(sums))).code).not.toBe(0);
  });

  it('states of which commit, packages and libraries everything was made', async () => {
    const commit = (await mustRun('git', ['rev-parse', 'HEAD'], { cwd: releases.clone })).trim();
    const statement = json<{
      subject: { name: string; digest: { sha256: string } }[];
      predicate: { buildDefinition: { resolvedDependencies: { uri?: string; digest: Record<string, string> }[] } };
    }>(/\.intoto\.json$/);
    const sums = readFileSync(path.join(releases.first, 'SHA256SUMS'), 'utf8').trim().split('\n');
    const listed = Object.fromEntries(sums.map((line) => line.split(/ +/).toReversed() as [string, string]));
    const subjects = Object.fromEntries(statement.subject.map(({ name, digest }) => [name, digest.sha256]));
    const { [`ospatch-${version}.intoto.json`]: ofStatement, ...others } = listed;
    expect(ofStatement).toMatch(/^[0-9a-f]{64}$/);
    expect(subjects).toEqual(others);
    const { resolvedDependencies } = statement.predicate.buildDefinition;
    expect(resolvedDependencies[0]?.digest).toEqual({ gitCommit: commit });
    expect(resolvedDependencies.filter(({ uri }) => uri?.startsWith('pkg:deb/') === true).length).toBeGreaterThan(10);
    const names = json<{ components: { name: string }[] }>(/linux-\w+\.cdx\.json$/).components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['nodejs', 'openssh-client', 'ca-certificates', 'commander']));
  });

  it('has a chart that Helm takes, with the version of the release and without files of tests', async () => {
    const chart = fileOf(releases.first, /^ospatch-chart-/);
    const shown = await helm('show', 'chart', chart);
    expect(shown.stdout).toContain(`version: ${version}\n`);
    expect(await mustRun('tar', ['-tzf', chart])).not.toContain('/ci/');
    const values = ['--set', 'image.repository=registry.example/ospatch', '--set', 'temporal.address=temporal:7233'];
    const rendered = await helm('template', 'ospatch', chart, '--kube-version', '1.34.0', ...values);
    expect(rendered.stdout).toContain(`image: "registry.example/ospatch:${version}"`);
  });

  it.each([
    ['a directory with files', ['FULL'], 1, /is not empty/],
    ['an unknown option', ['--sing', 'key', 'EMPTY'], 2, /unknown option --sing/],
    ['a key that is not there', ['--sign', '/nowhere/key', 'EMPTY'], 2, /there is no key/],
    [
      'an architecture nobody builds',
      ['--arch', 'riscv64', 'EMPTY'],
      2,
      /--arch: found .*riscv64.*allowed: amd64, arm64/,
    ],
  ])('refuses %s', async (_, args, code, why) => {
    const empty = mkdtempSync(path.join(dir, 'empty-'));
    const places: Record<string, string> = { FULL: releases.first, EMPTY: empty };
    const all = args.map((one) => places[one] ?? one);
    const refused = await runProgram(path.join(releases.clone, 'scripts/release.sh'), all);
    expect(refused).toMatchObject({ code, stderr: expect.stringMatching(why) as string });
    expect(readdirSync(empty)).toEqual([]);
  });
});
