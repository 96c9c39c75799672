/**
 * The public types, checked when the tests are compiled: a program that uses ospatch can name every argument and result.
 * `Same` is a compiler error when two types differ.
 */
import type {
  ApplySpecAnswer,
  CancelRunAnswer,
  ClusterDiagnosis,
  ClusterDiagnosisOptions,
  ClusterHistory,
  ClusterListItem,
  ClusterSpec,
  ConnectOptions,
  DrainCheck,
  DrainPolicy,
  EksInspection,
  EksSpec,
  InstallationDiagnosis,
  KubernetesPolicy,
  LiveStatus,
  LoadedSpecs,
  LoadSpecsOptions,
  Message,
  NodeInspection,
  NodeLog,
  MemberSettled,
  NotPatchableSpec,
  PackagePolicy,
  Patching,
  PatchNowAnswer,
  PatchNowMessage,
  PauseAnswer,
  ReleaseAnswer,
  RemoveAnswer,
  RunReport,
  SelfManagedSpec,
} from '../src/index';
import * as api from '../src/index';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun } from '../src/dev/host';
import { unnamedTypes } from './support/declarations';
import type { WorkerOptions, runWorker, workerOptionsFromEnv } from '../src/worker';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
type Client = api.ClusterClient;
type Answer<K extends keyof Client> = Client[K] extends (...args: never[]) => infer R ? Awaited<R> : never;
type Argument<K extends keyof Client, N extends number> = Client[K] extends (...args: infer A) => unknown
  ? A[N]
  : never;

/** Compiles only while every entry is the same type twice. */
const METHODS: {
  apply: Same<Answer<'apply'>, ApplySpecAnswer>;
  applies: Same<Argument<'apply', 0>, ClusterSpec>;
  appliesWith: Same<Argument<'apply', 1>, Message | undefined>;
  cancelRun: Same<Answer<'cancelRun'>, CancelRunAnswer>;
  check: Same<Answer<'check'>, NodeInspection[] | EksInspection>;
  diagnoseCluster: Same<Answer<'diagnoseCluster'>, ClusterDiagnosis>;
  diagnoseClusterWith: Same<Argument<'diagnoseCluster', 1>, ClusterDiagnosisOptions>;
  diagnoseInstallation: Same<Answer<'diagnoseInstallation'>, InstallationDiagnosis>;
  findSpec: Same<Answer<'findSpec'>, ClusterSpec | null>;
  history: Same<Answer<'history'>, ClusterHistory>;
  list: Same<Answer<'list'>, ClusterListItem[]>;
  nodeLog: Same<Answer<'nodeLog'>, NodeLog>;
  patch: Same<Answer<'patch'>, PatchNowAnswer>;
  patchWith: Same<Argument<'patch', 1>, PatchNowMessage | undefined>;
  pause: Same<Answer<'pause'>, PauseAnswer>;
  release: Same<Answer<'release'>, ReleaseAnswer>;
  remove: Same<Answer<'remove'>, RemoveAnswer>;
  run: Same<Answer<'run'>, RunReport>;
  settledNodes: Same<Answer<'settledNodes'>, MemberSettled[]>;
  status: Same<Answer<'status'>, LiveStatus>;
} = {
  apply: true,
  applies: true,
  appliesWith: true,
  cancelRun: true,
  check: true,
  diagnoseCluster: true,
  diagnoseClusterWith: true,
  diagnoseInstallation: true,
  findSpec: true,
  history: true,
  list: true,
  nodeLog: true,
  patch: true,
  patchWith: true,
  pause: true,
  release: true,
  remove: true,
  run: true,
  settledNodes: true,
  status: true,
};

/** Types inside of a spec and of an inspection. */
const PARTS: {
  specs: Same<ClusterSpec, SelfManagedSpec | EksSpec | NotPatchableSpec>;
  kubernetes: Same<NonNullable<SelfManagedSpec['kubernetes']>, KubernetesPolicy>;
  drain: Same<KubernetesPolicy['drain'], DrainPolicy>;
  packages: Same<NonNullable<Patching['packages']>, PackagePolicy>;
  inspectedDrain: Same<NonNullable<NodeInspection['drain']>, DrainCheck>;
} = { specs: true, kubernetes: true, drain: true, packages: true, inspectedDrain: true };

const FUNCTIONS: {
  connect: Same<Parameters<typeof api.ClusterClient.connect>[0], ConnectOptions | undefined>;
  loadSpecs: Same<Awaited<ReturnType<typeof api.loadSpecs>>, LoadedSpecs>;
  loadSpecsWith: Same<Parameters<typeof api.loadSpecs>[1], LoadSpecsOptions>;
  renderSpecYaml: Same<Parameters<typeof api.renderSpecYaml>[0], ClusterSpec>;
  runWorker: Same<Parameters<typeof runWorker>[0], WorkerOptions>;
  workerOptionsFromEnv: Same<ReturnType<typeof workerOptionsFromEnv>, WorkerOptions>;
} = {
  connect: true,
  loadSpecs: true,
  loadSpecsWith: true,
  renderSpecYaml: true,
  runWorker: true,
  workerOptionsFromEnv: true,
};

describe('src/index', () => {
  it('names the type of every argument and every result', () => {
    for (const types of [METHODS, PARTS, FUNCTIONS]) expect(Object.values(types)).not.toContain(false);
  });

  it('exports every type used by its declarations', async () => {
    const root = path.join(__dirname, '..');
    const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-types-'));
    const flags = [
      '--emitDeclarationOnly',
      '--noCheck',
      '--incremental',
      'false',
      '--sourceMap',
      'false',
      '--outDir',
      dir,
    ];
    await mustRun(path.join(root, 'node_modules/.bin/tsc'), ['-p', path.join(root, 'tsconfig.json'), ...flags]);
    expect(unnamedTypes(['index', 'worker'].map((name) => path.join(dir, `${name}.d.ts`)))).toEqual([]);
    rmSync(dir, { recursive: true });
    // The compiler needs 1 s, and more on a busy machine.
  }, 90_000);

  it('has every method of the client in docs/client.md, and no other', () => {
    const text = readFileSync(path.join(__dirname, '../docs/client.md'), 'utf8');
    const documented = [...text.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(?:ClusterClient\.)?(\w+)[(`]/g)].map(([, name = '']) => name),
    );
    const errors = new Set<string>(api.ERROR_TYPES);
    const own = (holder: object): string[] => Object.getOwnPropertyNames(holder);
    const { prototype } = api.ClusterClient;
    const hidden = ['constructor', 'doctor', 'inspector', 'signed', 'length', 'name', 'prototype'];
    const methods = [...own(api.ClusterClient), ...own(prototype)].filter((name) => !hidden.includes(name));
    expect(documented.filter((name) => !errors.has(name)).sort()).toEqual(methods.sort());
  });

  it('describes every method of the client where it is declared, and in docs/client.md every error that one names', () => {
    const read = (file: string): string => readFileSync(path.join(__dirname, '..', file), 'utf8');
    const [, body = ''] = /^export class ClusterClient \{\n(.*?)^\}/ms.exec(read('src/client/cluster-client.ts')) ?? [];
    const members = body.matchAll(/^(.*)\n {2}(?!private)(?:static )?(?:async )?(?:get )?\*?(\w+)\(/gm);
    const bare = [...members].filter(([, before = '']) => !before.endsWith('*/')).map(([, , name]) => name);
    expect(bare).toEqual([]);
    const documented = read('docs/client.md');
    const thrown = [...body.matchAll(/@throws ([^@]*?)\*\//g)].flatMap(
      ([, text = '']) => text.match(/`[A-Z]\w+`/g) ?? [],
    );
    expect(thrown.length).toBeGreaterThan(20);
    expect([...new Set(thrown)].filter((type) => !documented.includes(type))).toEqual([]);
  });

  it('exports exactly these values', () => {
    expect(Object.keys(api).sort()).toEqual([
      'API_VERSION',
      'ClusterClient',
      'ERROR_TYPES',
      'MAX_NODES',
      'OspatchError',
      'isOspatchError',
      'isTransient',
      'loadSpecs',
      'renderSpecYaml',
    ]);
  });
});
