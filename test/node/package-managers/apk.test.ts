import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PackagePolicy } from '../../../src/domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../../src/domain/spec/package-policy';
import { apk } from '../../../src/node/package-managers/apk';
import { recorded } from './recorded';

const helper = path.join(__dirname, '../../../src/node/helper');
const scratch = mkdtempSync(path.join(tmpdir(), 'apk-'));

afterAll(() => rmSync(scratch, { recursive: true }));

/** The output of functions of the helper, with `boot` as the boot id. */
function shell(command: string, input = ''): string[] {
  const parts = ['core', 'detached', 'packages', 'apk'].map((part) => `. ${path.join(helper, `${part}.sh`)}`);
  const here = [`state_dir=${scratch}`, 'boot=this-boot', 'has_systemd() { return 1; }'];
  const script = ['set -u', ...parts, ...here, command].join('\n');
  return execFileSync('sh', ['-c', script], { input, encoding: 'utf8' }).split('\n').filter(Boolean);
}

function database(text: string): string {
  const dir = mkdtempSync(path.join(scratch, 'db-'));
  writeFileSync(path.join(dir, 'installed'), text);
  return dir;
}

const INSTALLED = [
  'C:Q1x=\nP:zlib\nV:1.3.1-r1\nA:x86_64\nF:lib\nR:libz.so.1\n',
  'C:Q1y=\nP:lab-bad\nV:1.6-r0\nA:noarch\nf:s\nF:usr\n',
  'C:Q1z=\nP:linux-lts\nV:6.6.56-r0\nA:x86_64\nf:fx\nF:lib/modules/6.6.56-0-lts\nF:lib/modules/6.6.56-0-lts/kernel\n',
  'C:Q1z=\nP:linux-virt\nV:6.6.99-r0\nA:x86_64\nF:lib/modules/6.6.99-0-virt/kernel\n',
]
  .map((record) => `${record}\n`)
  .join('');

describe('src/node/helper/apk.sh', () => {
  it.each(recorded('apk'))('$claim', ({ installed = [], output, changes }) => {
    const list = path.join(scratch, 'installed');
    writeFileSync(list, installed.map((line) => `${line}\n`).join(''));
    const read = shell(`apk_changes ${list} x86_64`, output.map((line) => `${line}\n`).join(''));
    expect(read.toSorted()).toEqual(changes);
  });

  it('reads packages, incomplete installations and kernels from the database', () => {
    const db = database(INSTALLED);
    expect(shell(`apk_db=${db}; apk_installed`).toSorted()).toEqual([
      'lab-bad noarch 1.6-r0',
      'linux-lts x86_64 6.6.56-r0',
      'linux-virt x86_64 6.6.99-r0',
      'zlib x86_64 1.3.1-r1',
    ]);
    expect(shell(`apk_db=${db}; apk_problems`)).toEqual([
      'lab-bad is not fully installed (its script failed)',
      'linux-lts is not fully installed (files are missing)',
    ]);
    expect(shell(`apk_db=${db}; apk_kernels`)).toEqual(['6.6.56-0-lts', '6.6.99-0-virt']);
    expect(shell(`apk_db=${scratch}/none; apk_problems`)).toEqual(['the database of apk cannot be read']);
    expect(shell(`apk_db=${database('')}; apk_problems`)).toEqual(['the database of apk is empty']);
    expect(shell(`apk_db=${database('P:musl\nV:1-r0\n\nP:zlib\nV:1.3')}; apk_problems`)).toEqual([
      'the database of apk is cut off after zlib',
    ]);
  });
});

describe('src/node/helper/detached.sh', () => {
  const state = (line: string): string => {
    writeFileSync(path.join(scratch, 'session'), line);
    return shell('session_alive; echo $?')[0] ?? '';
  };

  /** The leader of a session of its own: the tests' own session may be invisible in a container. */
  async function startLeader(name: string): Promise<ChildProcess> {
    const program = path.join(scratch, name);
    copyFileSync('/bin/sleep', program);
    const leader = spawn(program, ['60'], { detached: true, stdio: 'ignore' });
    await once(leader, 'spawn');
    return leader;
  }

  it('reports a job as dead only with proof: another boot, or an idle session', async () => {
    const leader = await startLeader('apk');
    const id = String(leader.pid);
    const startTime = shell(`read_process ${id}; echo $p_begun`)[0] ?? '';
    expect(state(`this-boot ${id} ${startTime}\n`)).toBe('0');
    expect(state(`that-boot ${id} ${startTime}\n`)).toBe('1');
    // The pid was reused.
    expect(state(`this-boot ${id} ${Number(startTime) + 1}\n`)).toBe('1');
    leader.kill('SIGKILL');
    await once(leader, 'exit');
    expect(state(`this-boot ${id} ${startTime}\n`)).toBe('1');
    expect(state('this-boot x 1\n')).toBe('2');
    expect(state('')).toBe('2');
    rmSync(path.join(scratch, 'session'));
    expect(shell('session_alive; echo $?')).toEqual(['1']);
  });

  it('reports a job as over, and names remaining processes, when its package manager is gone', async () => {
    const leader = await startLeader('left-daemon');
    const startTime = shell(`read_process ${leader.pid}; echo $p_begun`)[0] ?? '';
    expect(state(`this-boot ${leader.pid} ${startTime}\n`)).toBe('1');
    expect(shell('left_running')).toEqual([`left-daemon (pid ${leader.pid})`]);
    leader.kill('SIGKILL');
    await once(leader, 'exit');
    expect(shell('left_running')).toEqual([]);
    rmSync(path.join(scratch, 'session'));
  });
});

describe('src/node/package-managers/apk', () => {
  const os = { id: 'alpine', versionId: '3.20.3', codename: '', prettyName: 'Alpine Linux v3.20' };
  const plan = (lines: string[], policy: Partial<PackagePolicy> = {}) =>
    apk.parsePlan([`digest ${'a'.repeat(64)}`, ...lines, ''].join('\n'), os, { ...DEFAULT_PACKAGE_POLICY, ...policy });
  const classify = (log: string, rc = 1) => apk.classify({ node: 'w-1', phase: 'apply', rc, log });

  it('plans patch versions of the same release, and lists held-back packages with the reason', () => {
    const lines = [
      'change upgrade alpine-release x86_64 3.20.3-r0 3.20.4-r0',
      'guard kubernetes kubelet*',
      'release alpine-release -',
      'source 3.20',
      'newer kubelet',
      'change skip lab-a - - -',
    ];
    expect(plan(lines, { keepMinor: true })).toEqual({
      plan: {
        changes: [{ name: 'alpine-release', arch: 'x86_64', from: '3.20.3-r0', to: '3.20.4-r0' }],
        keptBack: [
          { name: 'kubelet', reason: 'kubernetes' },
          { name: 'lab-a', reason: 'dependencies' },
        ],
        warnings: [],
        digest: 'a'.repeat(64),
      },
      refusals: [],
      unparsed: [],
    });
  });

  it.each([
    [['source 3.21'], 'would leave release 3.20, because repositories on the node are those of: 3.21'],
    [['source edge', 'source 3.20'], 'would leave release 3.20, because repositories on the node are those of: edge'],
    [
      ['change upgrade alpine-base x86_64 3.20.3-r0 3.21.0-r0', 'release alpine-base -'],
      'would leave release 3.20 with: alpine-base 3.21.0-r0',
    ],
    [['change remove libfoo x86_64 1-r0 -'], 'would remove: libfoo'],
    [['change downgrade libfoo x86_64 2-r0 1-r0'], 'would downgrade: libfoo'],
    [
      ['guard excluded kube*', 'change upgrade kubelet x86_64 1-r0 2-r0'],
      'would change packages that must not change: kubelet',
    ],
    [['no-security-data'], 'cannot be limited to security fixes: its repositories carry no advisory metadata'],
  ])('rejects %j in one sentence', (lines, sentence) => {
    expect(plan(lines).refusals).toEqual([sentence]);
  });

  it('fails the node for updates hidden by pins, where the policy says so', () => {
    const { refusals } = plan(['pinned lab-a 1.4-r0 lab-a=1.3-r0'], { onHidden: 'fail' });
    expect(refusals).toEqual([
      'would omit updates: 1 update is hidden by version pins in /etc/apk/world: lab-a 1.4-r0 (lab-a=1.3-r0) (patching.packages.onHidden is fail)',
    ]);
  });

  it('reports updates hidden by pins and repositories, and the age of the indexes', () => {
    const { plan: read } = plan(['pinned lab-a 1.4-r0 lab-a=1.3-r0', 'orphan lab-b', 'stale']);
    expect(read.keptBack).toEqual([{ name: 'lab-a', reason: 'pinned' }]);
    expect(read.warnings.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
      'hidden-updates: 1 update is hidden by version pins in /etc/apk/world: lab-a 1.4-r0 (lab-a=1.3-r0)',
      'hidden-updates: 1 package is in no repository of the node, so that updates would not show: lab-b',
      'stale-lists: the package lists are older than a week, so that newer updates do not show',
    ]);
    expect(plan(['no-network', 'stale']).plan.warnings.map(({ message }) => message)).toEqual([
      'apk is set to use no network (/etc/apk/config), so that its package lists are as old as its cache',
    ]);
  });

  it('removes packages when removals are allowed', () => {
    expect(plan(['change remove libfoo x86_64 1-r0 -'], { allowRemovals: true })).toMatchObject({
      refusals: [],
      plan: { changes: [{ name: 'libfoo', from: '1-r0', to: null }] },
    });
  });

  it('does not apply a plan it cannot parse', () => {
    expect(plan(['change unknown Transmuting - - -']).unparsed).toEqual(['unknown Transmuting']);
  });

  // Messages of apk-tools 2.14.10, except the last two.
  it.each([
    ['Repository', 99, 'ERROR: Not continuing due to stale/unavailable repositories.Use --force-missing-repositories'],
    ['Repository', 1, "ERROR: lab-a-1.8-r0: package mentioned in index not found (try 'apk update')"],
    ['Repository', 2, 'WARNING: updating and opening https://127.0.0.1:1/x: could not connect to server (check it)'],
    ['DecisionRequired', 1, 'WARNING: opening /srv/repo: UNTRUSTED signature\n1 error; 0 MiB in 8 packages'],
    ['Policy', 1, 'ERROR: unable to select packages:\n  nosuch (no such package):\n    required by: world[nosuch]'],
    [
      'Busy',
      99,
      'ERROR: Unable to lock database: temporary error (try again later)\nERROR: Failed to open apk database',
    ],
    ['PackageManager', 1, 'ERROR: lab-bad-1.6-r0.post-upgrade: script exited with error 3\n1 error; 0 MiB'],
    ['PackagesBroken', 91, '(1/1) Reinstalling lab-bad (1.6-r0)'],
    ['DiskFull', 1, 'ERROR: Failed to write x: No space left on device'],
    ['PackageManager', 1, 'what is this'],
  ])('distinguishes %s by the message of apk (code %d: %s)', (type, rc, log) => {
    expect(classify(log, rc)).toMatchObject({ type, message: expect.stringContaining('apply failed on w-1: ') });
  });

  it('reports the first message of apk, the cause of the others', () => {
    expect(classify('x\nERROR: Unable to lock database: temporary error\nERROR: Failed to open it').message).toBe(
      'apply failed on w-1: another program holds a package lock (Unable to lock database: temporary error)',
    );
  });

  it('reads progress and a lock wait', () => {
    expect(apk.readProgress('Waiting for repository lock')).toEqual({ event: 'lock-held', by: 'another apk' });
    expect(apk.readProgress('(2/9) Upgrading zlib (1.3.1-r0 -> 1.3.1-r1)')).toEqual({ event: 'package-finished' });
    expect(apk.readProgress('OK: 0 MiB in 8 packages')).toBeNull();
  });
});
