import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { downloadBinary } from '../../src/dev/download';
import { findTemporal, temporalArchive } from '../../src/dev/temporal-binary';

interface Lock {
  packages: Record<string, { version: string; integrity?: string; dev?: boolean; devOptional?: boolean }>;
}

interface Sbom {
  serialNumber: string;
  metadata: { timestamp: string; component: { name: string; hashes: unknown[] } };
  components: { purl: string; hashes?: { alg: string; content: string }[] }[];
}

const ROOT = path.join(__dirname, '../..');
const text = (...names: string[]): string => readFileSync(path.join(ROOT, ...names), 'utf8');
const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-supply-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a program that is downloaded', () => {
  let server: Server;
  let requests = 0;
  let archive: Buffer;
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive.tar.gz`;

  beforeAll(async () => {
    const made = mkdtempSync(path.join(tmpdir(), 'ospatch-archive-'));
    writeFileSync(path.join(made, 'temporal'), '#!/bin/sh\necho good\n');
    archive = execFileSync('tar', ['-czf', '-', '-C', made, 'temporal']);
    rmSync(made, { recursive: true });
    server = createServer((_, answer) => {
      requests += 1;
      answer.end(archive);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('is installed when its digest is the pinned one', async () => {
    const target = path.join(dir, 'temporal');
    await downloadBinary({ url: url(), sha256: sha256(archive), file: 'temporal' }, target);
    expect(execFileSync(target, { encoding: 'utf8' })).toBe('good\n');
  });

  it('is not unpacked when one byte is different', async () => {
    const target = path.join(dir, 'temporal');
    const pinned = { url: url(), sha256: sha256(`${archive.toString('latin1')}x`), file: 'temporal' };
    await expect(downloadBinary(pinned, target)).rejects.toThrow(/has the SHA-256 [0-9a-f]{64} instead of/);
    expect(requests).toBeGreaterThan(1);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('has a pinned version and digest for each platform, and none for others', () => {
    const platforms = ['linux_amd64', 'linux_arm64', 'darwin_amd64', 'darwin_arm64'];
    const pinned = platforms.map((platform) => temporalArchive(platform));
    expect(new Set(pinned.map((one) => one?.sha256)).size).toBe(platforms.length);
    for (const one of pinned) {
      expect(one?.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(one?.url).toMatch(/^https:\/\/github\.com\/temporalio\/cli\/releases\/download\/v[0-9.]+\//);
    }
    expect(temporalArchive('freebsd_amd64')).toBeUndefined();
  });

  it('is not run from a cache that others can write to', async () => {
    const before = { ...process.env };
    process.env['OSPATCH_CACHE'] = dir;
    process.env['PATH'] = '/nowhere';
    try {
      execFileSync('/bin/mkdir', ['-m', '777', path.join(dir, 'bin')]);
      writeFileSync(path.join(dir, 'bin', 'temporal'), 'x', { mode: 0o755 });
      await expect(findTemporal(() => undefined)).rejects.toThrow('can be changed by everybody');
    } finally {
      process.env = before;
    }
  });
});

describe('what installs and builds', () => {
  it('downloads nothing that has no digest', () => {
    const scripts = ['scripts/setup.sh', '.ci/run', 'scripts/release.sh', 'scripts/prepack.sh'].map((file) =>
      text(file),
    );
    // `npm ci` takes what the lock file names, and only that.
    expect(scripts.join('\n')).not.toMatch(
      /\bnpm (?:i|install|add|update|exec)\b|\bnpx (?!--no-install)|\bcurl\b|\bwget\b/,
    );
    const requirements = text('tools/python-requirements.txt').replaceAll('\\\n', ' ').split('\n');
    for (const line of requirements.filter((one) => /^[a-z]/.test(one))) {
      expect(line).toMatch(/^[\w-]+==[\w.]+\s+--hash=sha256:[0-9a-f]{64}/);
    }
    expect(text('tools/test-server.sha256').trimEnd().split('\n')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^[0-9a-f]{64} {2}temporal-test-server-[0-9.]+\.jar$/)]),
    );
  });

  it.each(readdirSync(path.join(ROOT, '.github/workflows')))(
    'is pinned by commit in %s, with no more rights than needed',
    (name) => {
      const workflow = text('.github/workflows', name);
      const { permissions } = parse(workflow) as { permissions: unknown };
      expect(permissions).toEqual({ contents: 'read' });
      const uses = [...workflow.matchAll(/uses: (.*)$/gm)].map(([, action]) => action);
      expect(uses.length).toBeGreaterThan(0);
      for (const action of uses) expect(action).toMatch(/^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
      expect(workflow).not.toContain('pull_request_target');
      // Text of a branch, title or tag would become a part of the script.
      for (const [script] of workflow.matchAll(/run: .*$/gm)) expect(script).not.toContain('${{');
    },
  );
});

describe('the papers of a release', () => {
  const TARBALL = 'ospatch-0.0.0.tgz';

  function papers(others: Record<string, string> = {}): Record<string, string> {
    const out = mkdtempSync(path.join(dir, 'out-'));
    for (const [name, content] of Object.entries({ [TARBALL]: 'the package', ...others })) {
      writeFileSync(path.join(out, name), content);
    }
    execFileSync(process.execPath, [path.join(ROOT, 'scripts/release-papers.js'), out, TARBALL], { cwd: '/' });
    return Object.fromEntries(readdirSync(out).map((name) => [name, readFileSync(path.join(out, name), 'utf8')]));
  }

  it('are the same bytes twice, name every production package with its digest, and the files with theirs', () => {
    const first = papers();
    expect(papers()).toEqual(first);
    const [sbomName = '', provenanceName = ''] = Object.keys(first)
      .filter((name) => name.endsWith('.json'))
      .toSorted();
    const sbom = JSON.parse(first[sbomName] ?? '') as Sbom;
    expect(sbom.metadata.component).toMatchObject({
      name: 'ospatch',
      hashes: [{ alg: 'SHA-256', content: sha256('the package') }],
    });
    expect(sbom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(sbom.components.filter(({ hashes = [] }) => hashes.length === 0)).toEqual([]);
    const lock = JSON.parse(text('package-lock.json')) as Lock;
    const production = Object.entries(lock.packages).filter(([name, { dev }]) => name !== '' && dev !== true);
    const named = new Set(sbom.components.map(({ purl }) => decodeURIComponent(purl)));
    const missing = production
      .map(([name, { version }]) => `pkg:npm/${name.replace(/^.*node_modules\//, '')}@${version}`)
      .filter((purl) => !named.has(purl));
    expect(missing).toEqual([]);
    expect(JSON.stringify(first)).not.toContain(ROOT);

    const provenance = JSON.parse(first[provenanceName] ?? '') as object;
    expect(provenance).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
      subject: [
        { name: TARBALL, digest: { sha256: sha256('the package') } },
        { name: sbomName, digest: { sha256: sha256(first[sbomName] ?? '') } },
      ],
    });
    const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
    expect(JSON.stringify(provenance)).toContain(commit);
  });

  it('name the packages of Debian in an image, and every other file of the release', () => {
    const image = 'ospatch-0.0.0-linux-arm64';
    const all = papers({
      [`${image}.oci.tar`]: 'the image',
      [`${image}.packages`]: `nodejs 20.19.2+dfsg-1 ${sha256('nodejs')}\n`,
      'ospatch_0.0.0_arm64.deb': 'the package of Debian',
    });
    expect(Object.keys(all)).not.toContain(`${image}.packages`);
    const sbom = JSON.parse(all[`${image}.cdx.json`] ?? '') as Sbom & { dependencies: { ref: string }[] };
    const purl = 'pkg:deb/debian/nodejs@20.19.2%2Bdfsg-1?arch=arm64&distro=debian-13';
    expect(sbom.components.find(({ purl: one }) => one === purl)).toMatchObject({
      hashes: [{ alg: 'SHA-256', content: sha256('nodejs') }],
    });
    expect(sbom.components.length).toBeGreaterThan(100);
    expect(sbom.metadata.component).toMatchObject({ type: 'container', hashes: [{ content: sha256('the image') }] });
    const provenance = Object.entries(all).find(([name]) => name.endsWith('.intoto.json'))?.[1] ?? '';
    const { subject } = JSON.parse(provenance) as { subject: { name: string }[] };
    const named = subject.map(({ name }) => name).toSorted();
    expect(named).toEqual(
      Object.keys(all)
        .filter((name) => !name.endsWith('.intoto.json'))
        .toSorted(),
    );
    expect(provenance).toContain(purl);
  });

  it('are not made of a working tree with changes', () => {
    const clone = path.join(dir, 'clone');
    execFileSync('git', ['init', '-q', clone]);
    execFileSync(
      'sh',
      ['-c', 'mkdir scripts && cp "$1" scripts/ && touch changed', 'sh', path.join(ROOT, 'scripts/release.sh')],
      { cwd: clone },
    );
    const release = (): string =>
      execFileSync(path.join(clone, 'scripts/release.sh'), [path.join(dir, 'out')], { stdio: 'pipe' }).toString();
    expect(release).toThrow('the working tree has changes');
    expect(existsSync(path.join(dir, 'out', 'SHA256SUMS'))).toBe(false);
  });
});
