import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SETTINGS, warnOfUnknownSettings } from '../src/known-settings';

const ROOT = path.join(__dirname, '..');

/** Contents of the files below a directory, or of one file. */
function texts(name: string, only = /./): string[] {
  const at = path.join(ROOT, name);
  const files = readdirSync(at, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return files
    .filter(({ name: file }) => only.test(file) && file !== path.basename(__filename))
    .map((one) => readFileSync(path.join(one.parentPath, one.name), 'utf8'));
}

function namesIn(all: readonly string[], pattern = /\bOSPATCH_[A-Z][A-Z_]*[A-Z]\b(?!_)/g): Set<string> {
  return new Set(all.flatMap((text) => [...text.matchAll(pattern)].map(([name, found = name]) => found)));
}

function warnings(env: NodeJS.ProcessEnv): string[] {
  const said: string[] = [];
  warnOfUnknownSettings(env, { warn: (_, message) => said.push(message) });
  return said;
}

describe('src/known-settings', () => {
  it('lists every variable that the program reads', () => {
    const read = namesIn(texts('src', /\.ts$/), /(?:env\w*\[|_SETTING = )'(OSPATCH_\w+)'/g);
    expect(read.size).toBeGreaterThan(15);
    expect([...read].filter((name) => !SETTINGS.includes(name))).toEqual([]);
  });

  it('has every setting that a package sets', () => {
    const image = readFileSync(path.join(ROOT, 'scripts/build-image.sh'), 'utf8');
    const set = namesIn([...texts('packaging/systemd'), ...texts('packaging/deb'), ...texts('deploy/helm'), image]);
    // Of the build, not of the image.
    const ofBuild = ['OSPATCH_DEBIAN_MIRROR', 'OSPATCH_DEBIAN_SECURITY_MIRROR'];
    expect([...set].filter((name) => !SETTINGS.includes(name) && !ofBuild.includes(name))).toEqual([]);
    expect(set).toContain('OSPATCH_SECRET_DIR');
  });

  it('has every setting that a page tells of, or something else has it', () => {
    const program = ['src', 'tools', 'scripts', 'test'];
    const all = program.flatMap((name) => texts(name, /\.(?:ts|js|sh)$/));
    all.push(readFileSync(path.join(ROOT, 'site/check-links.js'), 'utf8'));
    const known = namesIn(all);
    // An example of `OSPATCH_NOTIFY_*`, which programs of notifications are given.
    known.add('OSPATCH_NOTIFY_TOKEN');
    const told = namesIn([
      ...texts('docs', /\.md$/),
      ...texts('packaging/man'),
      readFileSync(path.join(ROOT, 'README.md'), 'utf8'),
    ]);
    expect(told.size).toBeGreaterThan(20);
    expect([...told].filter((name) => !known.has(name))).toEqual([]);
  });

  it('warns of a misspelt setting, with the one that was meant', () => {
    expect(
      warnings({ OSPATCH_SECRETS_DIR: '/x', OSPATCH_SECRET_DIR: '/x', OSPATCH_UNHEARD_OF: '1', HOME: '/' }),
    ).toEqual([
      'there is no setting OSPATCH_SECRETS_DIR, so it has no effect; did you mean OSPATCH_SECRET_DIR?',
      'there is no setting OSPATCH_UNHEARD_OF, so it has no effect; ospatch worker --help lists all settings',
    ]);
  });

  it('warns of a misspelt variable of the temporal CLI, and of no other one that begins like these', () => {
    const others = {
      TEMPORAL_GRPC_META_X: '1',
      TEMPORAL_FRONTEND_PORT: 'tcp://10.0.0.1:7233',
      TEMPORAL_CLI_SHOW_STACKS: '1',
    };
    expect(
      warnings({ TEMPORAL_ADRESS: 'x:1', TEMPORAL_NAMESPACE: 'default', TEMPORAL_TLS: 'true', ...others }),
    ).toEqual(['there is no setting TEMPORAL_ADRESS, so it has no effect; did you mean TEMPORAL_ADDRESS?']);
  });

  it('says nothing of variables for hooks and programs, and of services of Kubernetes', () => {
    const env = {
      OSPATCH_HOOK_BMC: 'x',
      OSPATCH_NOTIFY_TEAM: 'x',
      OSPATCH_EXPORTER_SERVICE_HOST: '10.0.0.1',
      OSPATCH_EXPORTER_SERVICE_PORT_METRICS: '9464',
      OSPATCH_EXPORTER_PORT: 'tcp://10.0.0.1:9464',
      OSPATCH_EXPORTER_PORT_9464_TCP_ADDR: '10.0.0.1',
    };
    expect(warnings(env)).toEqual([]);
  });
});
