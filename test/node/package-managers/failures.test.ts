import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Phase } from '../../../src/node/job/id';
import { packageManager } from '../../../src/node/package-managers';
import type { PackageManagerName } from '../../../src/node/package-managers';

const dir = path.join(__dirname, 'failures');

interface FailureCase {
  manager: PackageManagerName;
  /** The origin of the capture, or a public report. */
  from: string;
  phase: Phase;
  rc: number;
  log: string[];
  expected: { type: string; retry: string; message: string; remedy?: string };
}

const cases = readdirSync(dir).map((file) => ({
  ...(JSON.parse(readFileSync(path.join(dir, file), 'utf8')) as FailureCase),
  file,
}));

function classify({ manager, phase, rc, log }: Pick<FailureCase, 'manager' | 'phase' | 'rc' | 'log'>) {
  return packageManager(manager).classify({ node: 'w-1', phase, rc, log: log.join('\n') });
}

describe('src/node/package-managers: the message names the cause', () => {
  it.each(cases)('classifies $file', (failure) => {
    expect(classify(failure)).toMatchObject(failure.expected);
  });

  const disk = (lines: string[], said: string[]) =>
    classify({
      manager: 'apt',
      phase: 'apply',
      rc: 100,
      log: [
        'Setting up lab (1.1) ...',
        ...said,
        'dpkg: error processing package lab (--configure):',
        ' installed lab package post-installation script subprocess returned error exit status 1',
        'E: Sub-process /usr/bin/dpkg returned an error code (1)',
        ...lines,
      ],
    });
  const ROOT = 'ospatch: disk / 5000000 9000000 500000 600000';

  it.each([
    [
      'gzip: stdout: No space left on device',
      'ospatch: disk /boot 0 204800 100 200',
      '/boot is full: 0 of 200 MiB free now',
    ],
    ['lz4: error 23 : write error', 'ospatch: disk /boot 16 204800 100 200', '/boot is full: 0 of 200 MiB free now'],
    ['zstd: error 25 : Write error', 'ospatch: disk /boot 16 204800 100 200', '/boot is full: 0 of 200 MiB free now'],
    ['No space left on device', 'ospatch: disk /var 900000 1000000 0 50', 'no inodes are left on /var (0 of 50 free)'],
    [
      'cp: error writing /boot/initrd.img.new: No space left on device',
      'ospatch: disk /boot 60000 204800 100 200',
      '/boot has too little room: 58 of 200 MiB free now',
    ],
  ])('names the full file system after %j', (said, line, expected) => {
    expect(disk([ROOT, line], [said])).toMatchObject({ type: 'DiskFull', message: expect.stringContaining(expected) });
  });

  it("reports a compressor's message as such when no file system is full", () => {
    expect(disk([ROOT], ['lz4: error 23 : write error'])).toMatchObject({
      type: 'PackagesBroken',
      message: expect.stringContaining('lz4: error 23 : write error'),
    });
  });

  it('names the full file system of the OS when a script fails with its own message', () => {
    const failed = disk(
      ['ospatch: disk /srv/films 0 900000 5 9', 'ospatch: disk /boot 0 20480 100 200'],
      ['compress: -5'],
    );
    expect(failed).toMatchObject({
      type: 'PackagesBroken',
      message: expect.stringMatching(/^apply failed on w-1: .*, and \/boot is full: 0 of 20 MiB free now$/),
      remedy: expect.stringMatching(/^free some space on \/boot, then patch the node again; if it fails again, /),
    });
    expect(disk(['ospatch: disk / 4000000 900000000 5000 9000'], ['gzip: stdout: x']).message).not.toContain('full');
    expect(disk(['ospatch: disk /srv/films 0 900000 5 9'], ['compress: -5']).message).not.toContain('full');
  });

  it('distinguishes quotas, limits and disk errors', () => {
    const said = (text: string) => disk([ROOT], [text]).message;
    expect(said('cp: /x: Disk quota exceeded')).toContain('a disk quota is used up');
    expect(said('cp: /x: File too large')).toContain('a file is larger than');
    expect(said('cp: /x: Input/output error')).toContain('a disk reports input/output errors');
  });

  it('names a read-only file system also by a path inside a package', () => {
    const said =
      "unable to clean up mess surrounding './boot/vmlinuz-1' before installing another version: Read-only file system";
    expect(disk([ROOT, 'ospatch: disk /boot 90000 204800 100 200'], [said])).toMatchObject({
      type: 'Unhealthy',
      message: expect.stringContaining('a file system is read-only: /boot ('),
      remedy: expect.stringContaining('mount -o remount,rw /boot'),
    });
  });

  it('classifies a failure without half-installed packages as beyond repair', () => {
    const log = [
      'Preparing to unpack .../lab_1.1_all.deb ...',
      'this kernel is too old',
      'dpkg: error processing archive /lab_1.1_all.deb (--unpack):',
      ' new lab package pre-installation script subprocess returned error exit status 7',
      'E: Sub-process /usr/bin/dpkg returned an error code (1)',
    ].join('\n');
    const failed = { node: 'w-1', phase: 'apply', rc: 100, log } as const;
    const { classify: classifyApt } = packageManager('apt');
    expect(classifyApt({ ...failed, damaged: true }).type).toBe('PackagesBroken');
    expect(classifyApt({ ...failed, damaged: false })).toMatchObject({
      type: 'PackageManager',
      retry: 'permanent',
      message:
        'apply failed on w-1: a package could not be installed and was left unchanged (this kernel is too old; dpkg: error processing archive /lab_1.1_all.deb (--unpack): new lab package pre-installation script subprocess returned error exit status 7)',
    });
  });

  it('uses the last attempt only', () => {
    const log = [
      "E: Failed to fetch http://m/  Could not resolve 'm'",
      'ospatch: trying again in 2 s',
      'E: Failed to fetch http://m/  Connection timed out',
    ];
    expect(classify({ manager: 'apt', phase: 'plan', rc: 100, log }).message).toBe(
      'plan failed on w-1: the package repositories cannot be read (Failed to fetch http://m/ Connection timed out)',
    );
  });

  it('names the holder of a lock after the timeout', () => {
    const log = ['ospatch: gave up waiting: /var/lib/dpkg/lock-frontend was held by unattended-upgr (pid 812) for 2 h'];
    expect(classify({ manager: 'apt', phase: 'apply', rc: 95, log })).toMatchObject({
      type: 'Busy',
      message: expect.stringContaining('/var/lib/dpkg/lock-frontend was held by unattended-upgr (pid 812) for 2 h'),
    });
  });

  it('reports what a repair could not do, and what was not tried', () => {
    const log = [
      'ospatch: completing the upgrade of lab-a.noarch: erasing 1-1',
      'error: %preun(lab-a-1-1.noarch) scriptlet failed, exit status 7',
      'ospatch: cannot repair: the older version of lab-a cannot be erased: lab-a-1-1.noarch',
    ];
    expect(classify({ manager: 'dnf', phase: 'repair', rc: 91, log })).toMatchObject({
      type: 'PackagesBroken',
      message: expect.stringMatching(/%preun\(lab-a-1-1.noarch\) scriptlet failed.*cannot be erased/),
      remedy: expect.stringContaining('--noscripts'),
    });
  });

  it('truncates a reason at a word boundary', () => {
    const log = [`E: ${'word '.repeat(300)}`];
    const { message } = classify({ manager: 'apt', phase: 'apply', rc: 100, log });
    expect(message).toMatch(/ word…\)$/);
    expect(message.length).toBeLessThan(700);
  });
});
