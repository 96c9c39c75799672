/** The package as published by `npm publish`, packed from a clean copy and used from an empty directory. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { environmentFor, mustRun, runProgram } from '../../src/dev/host';
import { fencedBlocks } from '../support/markdown';

const ROOT = path.join(__dirname, '../..');
const MODULES = path.join(ROOT, 'node_modules');

/** Directories that a clone does not have. */
const MADE_HERE = /^(node_modules|lib|\.git|\.test-results|npm-shrinkwrap\.json|.*\.(tsbuildinfo|tgz))$/;

interface Shrinkwrap {
  packages: Record<string, { version: string; integrity?: string; dev?: boolean; optional?: boolean }>;
}

describe('the npm package', () => {
  let dir: string;
  let clone: string;
  /** The empty directory, with the package in its node_modules. */
  let project: string;
  let installed: string;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-package-'));
    clone = path.join(dir, 'clone');
    cpSync(ROOT, clone, {
      recursive: true,
      filter: (name) => path.dirname(name) !== ROOT || !MADE_HERE.test(path.basename(name)),
    });
    // Links, so that changes to the copy do not reach the originals.
    linkModules(path.join(clone, 'node_modules'), readdirSync(MODULES));
    writeFileSync(path.join(clone, 'node_modules/.package-lock.json'), '{}');
    await mustRun('npm', ['pack', '--silent', '--pack-destination', dir], { cwd: clone });
    const [archive = ''] = readdirSync(dir).filter((name) => name.endsWith('.tgz'));
    project = path.join(dir, 'project');
    installed = path.join(project, 'node_modules/ospatch');
    mkdirSync(installed, { recursive: true });
    await mustRun('tar', ['-xzf', path.join(dir, archive), '-C', installed, '--strip-components=1']);
    // Exactly the packages of the shrinkwrap, laid out as by npm.
    const wanted = Object.keys(shrinkwrap().packages).flatMap(
      (name) => /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(name)?.[1] ?? [],
    );
    linkModules(path.join(project, 'node_modules'), wanted);
    mkdirSync(path.join(project, 'node_modules/.bin'));
    const program = path.join(installed, 'bin/ospatch.js');
    chmodSync(program, 0o755);
    symlinkSync(program, path.join(project, 'node_modules/.bin/ospatch'));
  });

  afterAll(() => rmSync(dir, { recursive: true }));

  function linkModules(target: string, names: readonly string[]): void {
    for (const name of names) {
      // Packages of other platforms are not installed.
      if (name === '.package-lock.json' || !existsSync(path.join(MODULES, name))) continue;
      mkdirSync(path.dirname(path.join(target, name)), { recursive: true });
      symlinkSync(path.join(MODULES, name), path.join(target, name));
    }
  }

  function shrinkwrap(): Shrinkwrap {
    return JSON.parse(readFileSync(path.join(installed, 'npm-shrinkwrap.json'), 'utf8')) as Shrinkwrap;
  }

  function ospatch(...args: string[]) {
    return runProgram(path.join(project, 'node_modules/.bin/ospatch'), args, {
      cwd: project,
      env: environmentFor('127.0.0.1:1'),
    });
  }

  function node(...args: string[]) {
    return mustRun(process.execPath, args, { cwd: project });
  }

  it('runs from an empty directory', async () => {
    const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await ospatch('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const schema = await ospatch('schema');
    expect(JSON.parse(schema.stdout)).toEqual(
      JSON.parse(readFileSync(path.join(ROOT, 'schema/ospatch.schema.json'), 'utf8')),
    );
    const valid = await ospatch('validate', '-f', 'node_modules/ospatch/examples/listed-only.yaml');
    expect(valid).toMatchObject({ code: 0, stderr: '' });
    const invalid = await ospatch('validate', '-f', 'node_modules/ospatch/package.json');
    expect(invalid.code).toBe(2);
  });

  it('includes the files that commands read', async () => {
    for (const args of [['rbac'], ['sudoers'], ['helper', 'print', '--digest']]) {
      expect(await ospatch(...args)).toMatchObject({ code: 0, stderr: '' });
    }
    expect((await ospatch('dev', '--help')).code).toBe(0);
  });

  it('exposes only its entry point to require and import', async () => {
    const names = 'ClusterClient,loadSpecs';
    expect(
      await node('-p', 'const a = require("ospatch"); [typeof a.ClusterClient.connect, typeof a.loadSpecs].join()'),
    ).toBe('function,function\n');
    expect(
      await node(
        '--input-type=module',
        '-e',
        `import { ${names} } from 'ospatch'; console.log(typeof ClusterClient, typeof loadSpecs)`,
      ),
    ).toBe('function function\n');
    expect(await node('-p', 'typeof require("ospatch/worker").runWorker')).toBe('function\n');
    expect(await node('-p', 'require("ospatch/package.json").name + require("ospatch/schema").title')).toBe(
      'ospatchospatch cluster spec\n',
    );
    await expect(node('-p', 'require("ospatch/lib/domain/spec/types")')).rejects.toThrow(
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    );
  });

  it('starts a worker up to the connection to a missing server', async () => {
    const { code, stderr } = await ospatch('worker');
    expect(code).toBe(1);
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).not.toMatch(/Cannot find module|ENOENT/);
  });

  it('has types that a program and the examples of docs/client.md compile against', async () => {
    writeFileSync(
      path.join(project, 'program.ts'),
      `import { ClusterClient, loadSpecs, type ClusterSpec, type EksInspection, type NodeInspection } from 'ospatch';
import { runWorker, workerOptionsFromEnv, type WorkerOptions } from 'ospatch/worker';
export async function check(file: string): Promise<NodeInspection[] | EksInspection> {
  const { specs }: { specs: ClusterSpec[] } = await loadSpecs(file, { now: 0, requireHostKeys: true });
  const client: ClusterClient = await ClusterClient.connect({ address: 'localhost:7233' });
  return client.check(specs[0]?.name ?? '');
}
const options: WorkerOptions = workerOptionsFromEnv({});
export const done: Promise<void> = runWorker(options);
// @ts-expect-error -- a cluster has a name
export const wrong: ClusterSpec = {};
`,
    );
    const examples = fencedBlocks(readFileSync(path.join(installed, 'docs/client.md'), 'utf8'), 'ts');
    expect(examples.length).toBeGreaterThan(3);
    const files = examples.map(({ line, code }) => {
      const name = `client-md-line-${line}.mts`;
      writeFileSync(path.join(project, name), code);
      return name;
    });
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    // Declaration files are checked too: a program may not want to skip that.
    const compiled = await runProgram(path.join(MODULES, '.bin/tsc'), [...flags, 'program.ts', ...files], {
      cwd: project,
    });
    expect(compiled.stdout).toBe('');
  });

  it('contains no tools, tests or build files', async () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    const top = [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'deploy',
      'docs',
      'examples',
      'lib',
      'npm-shrinkwrap.json',
      'package.json',
      'schema',
    ];
    expect(files.filter((name) => !name.includes('/')).sort()).toEqual(top);
    expect(
      files.filter((name) =>
        /\.(map|go|tsbuildinfo)$|^lib\/(dev\/)?(tools|lab|kube|vm|demo|bench)\b|\.built$/.test(name),
      ),
    ).toEqual([]);
    expect(files.filter((name) => name.startsWith('lib/') && /(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });

  it('pins a digest for every installed package, and leaves nothing behind in the packed directory', async () => {
    const { packages } = shrinkwrap();
    const entries = Object.entries(packages).filter(([name]) => name !== '');
    expect(entries.length).toBeGreaterThan(100);
    expect(entries.filter(([, { dev, integrity }]) => dev === true || integrity === undefined)).toEqual([]);
    expect(existsSync(path.join(clone, 'npm-shrinkwrap.json'))).toBe(false);
    // npm rejects a shrinkwrap that does not match the dependencies.
    const check = path.join(dir, 'check');
    const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as Record<string, unknown>;
    mkdirSync(check);
    writeFileSync(path.join(check, 'package.json'), JSON.stringify({ ...manifest, devDependencies: undefined }));
    cpSync(path.join(installed, 'npm-shrinkwrap.json'), path.join(check, 'npm-shrinkwrap.json'));
    await mustRun('npm', ['ci', '--dry-run', '--offline', '--ignore-scripts'], { cwd: check });
  });
});
