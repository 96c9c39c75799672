import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NodeFacts } from '../../../src/domain/node/report';
import type { PackagePolicy } from '../../../src/domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../../src/domain/spec/package-policy';
import { dnf } from '../../../src/node/package-managers/dnf';
import { zypper } from '../../../src/node/package-managers/zypper';
import { recorded } from './recorded';

const helper = path.join(__dirname, '../../../src/node/helper');
const scratch = mkdtempSync(path.join(tmpdir(), 'rpm-plan-'));

afterAll(() => rmSync(scratch, { recursive: true }));

/** The output of a helper function for this standard input, in the order of the helper. */
function shell(part: string, command: string, output: readonly string[]): string[] {
  const script = `. ${path.join(helper, `${part}.sh`)}; ${command}`;
  // A file, not a pipe: some functions never read their input, and an unread pipe is an error for the writer.
  const input = path.join(scratch, 'input');
  writeFileSync(input, `${output.join('\n')}\n`);
  const text = execFileSync('sh', ['-c', `exec <${input}; ${script}`], { encoding: 'utf8' });
  return text.split('\n').filter(Boolean).toSorted();
}

describe('src/node/helper/dnf.sh', () => {
  it.each(recorded('dnf'))('$claim ($file)', ({ installed = [], output, changes }) => {
    const list = path.join(scratch, 'installed');
    writeFileSync(list, installed.map((line) => `${line}\n`).join(''));
    expect(shell('dnf', `dnf_changes ${list}`, output)).toEqual(changes);
  });

  it.each([
    ['No core libraries or services have been updated since boot-up.\nReboot should not be necessary.', []],
    [
      'Core libraries or services have been updated since boot-up:\n  * glibc\n  * kernel\n\nReboot is required to fully utilize these updates.\nMore information: x',
      ['reboot_reason=package glibc', 'reboot_reason=package kernel'],
    ],
    ['Reboot is required to fully utilize these updates', ['reboot_reason=needs-restarting']],
    ['Error: There are no enabled repositories in "/etc/yum.repos.d"', []],
    ['No such command: needs-restarting. Please use /usr/bin/dnf --help', []],
  ])('reads the text of needs-restarting: %j', (text, reasons) => {
    expect(shell('dnf', 'dnf_needs_restarting', text.split('\n'))).toEqual(reasons);
  });
});

describe('src/node/helper/rpm-repair.sh', () => {
  const SQLITE = "error: SELECT hnum, blob FROM 'Packages': 11: database disk image is malformed";

  it.each([
    ['a database that is well', ['lab-a-1-1.noarch'], 0, []],
    ['an error beside its packages, whatever the exit code', ['lab-a-1-1.noarch', SQLITE], 0, [SQLITE]],
    ['a database without any package', ['warning: x'], 0, ['it holds no packages']],
    ['a failure without a word', [], 1, ['rpm -qa ended with 1']],
    ['an answer that has not come in time', [], 124, []],
    ['an error that is none of the database', ['error: Macro %x has empty body', 'lab-a-1-1.noarch'], 0, []],
  ])('looks for damage: %s', (_, said, rc, damage) => {
    expect(shell('rpm-repair', `ask() { cat; return ${rc}; }; rpm_damage`, said)).toEqual(damage);
  });

  const repair = (again: string[], changes: string[], command: string): string[] => {
    const write = (name: string, lines: string[]) =>
      writeFileSync(path.join(scratch, name), lines.map((line) => `${line}\n`).join(''));
    write('again', again);
    write('changes', changes);
    return shell('rpm-repair', `dir=${scratch} state_dir=${scratch}; ${command} || :`, []);
  };
  const AGAIN = ['lab-a noarch 2-1 100', 'lab-b noarch 1:3-1 100'];
  const BOTH = ['reinstall lab-a noarch 2-1 2-1', 'reinstall lab-b noarch 1:3-1 1:3-1'];

  it.each([
    [BOTH, []],
    [BOTH.slice(1), []],
    [['reinstall lab-a noarch 1-1 1-1'], [expect.stringMatching(/would also reinstall lab-a$/)]],
    [[...BOTH, 'remove lab-c noarch 1-1 -'], [expect.stringMatching(/would also remove lab-c$/)]],
    [['upgrade lab-a noarch 2-1 3-1'], [expect.stringMatching(/would also upgrade lab-a$/)]],
  ])('reinstalls only the same versions: %j', (changes, refused) => {
    expect(repair(AGAIN, changes, 'rpm_only_reinstalls')).toEqual(refused);
  });

  it.each([
    [BOTH, 0],
    [BOTH.slice(1), 1],
    [[], 2],
  ])('names unavailable packages: %j', (changes, missing) => {
    expect(repair(AGAIN, changes, 'rpm_name_missing')).toHaveLength(missing);
  });

  it.each([
    ['lab-a noarch 2-1', 0, ['lab-b noarch 1:3-1 100']],
    ['lab-a noarch 2-1', 1, AGAIN],
    ['', 0, AGAIN],
  ])('remembers failed reinstallations: %j, exit code %i', (wanted, rc, kept) => {
    writeFileSync(path.join(scratch, 'wanted'), wanted === '' ? '' : `${wanted}\n`);
    expect(repair(AGAIN, [], `rc=${rc}; rpm_forget_reinstalled; cat ${scratch}/interrupted`)).toEqual(kept);
  });
});

describe('src/node/helper/zypper.sh', () => {
  it.each(recorded('zypper'))('$claim ($file)', ({ output, changes }) => {
    expect(shell('zypper', 'zypper_changes', output)).toEqual(changes);
  });
});

describe('src/node/helper/zypper.sh, patches', () => {
  it('maps a patch to the packages it updates', () => {
    const output = [
      'Information for patch LAB-1:',
      'Name        : LAB-1',
      'Provides    : patch:LAB-1 = 1',
      'Conflicts   : lab-a < 2-1',
      'Information for patch SUSE-2:',
      'Name        : SUSE-2',
      'Conflicts   : [3]',
      '    kernel-default.x86_64 < 5.14.21-1',
      '    python3.11 < 3',
      '    srcpackage:zlib < 2',
      'Information for patch X:',
    ];
    expect(shell('zypper', 'zypper_patch_contents', output)).toEqual([
      'LAB-1 lab-a',
      'SUSE-2 kernel-default',
      'SUSE-2 python3.11',
      'SUSE-2 zlib',
    ]);
  });
});

const DIGEST = `digest ${'a'.repeat(64)}`;
const ROCKY: NodeFacts['os'] = { id: 'rocky', versionId: '9.4', codename: '', prettyName: 'Rocky Linux 9.4' };
const SLES: NodeFacts['os'] = { id: 'sles', versionId: '15.6', codename: '', prettyName: 'SLES 15 SP6' };

function refusals(lines: string[], policy: Partial<PackagePolicy> = {}, os = ROCKY): string[] {
  const driver = os === SLES ? zypper : dnf;
  return driver.parsePlan([DIGEST, ...lines, ''].join('\n'), os, { ...DEFAULT_PACKAGE_POLICY, ...policy }).refusals;
}

describe('src/node/package-managers/rpm-plan', () => {
  it('reads changes and the reason why a package with a newer version stays', () => {
    const lines = [
      DIGEST,
      'change upgrade bash x86_64 5.1-1 5.1-2',
      'change install new noarch - 1-1',
      'guard excluded ngin?*',
      'guard kubernetes kubelet',
      'newer kubelet',
      'newer nginx-core',
      'newer unrelated',
      'change skip broken noarch 1-1 2-1',
    ];
    expect(dnf.parsePlan(lines.join('\n'), ROCKY)).toEqual({
      plan: {
        changes: [
          { name: 'bash', arch: 'x86_64', from: '5.1-1', to: '5.1-2' },
          { name: 'new', arch: 'noarch', from: null, to: '1-1' },
        ],
        keptBack: [
          { name: 'broken', reason: 'dependencies' },
          { name: 'kubelet', reason: 'kubernetes' },
          { name: 'nginx-core', reason: 'excluded' },
        ],
        warnings: [],
        digest: 'a'.repeat(64),
      },
      refusals: [],
      unparsed: [],
    });
  });

  it('rejects removals and replacements by name unless allowed, and downgrades always', () => {
    const lines = [
      'change remove a x 1 -',
      'change obsolete b x 1 -',
      'change downgrade c x 2 1',
      'change vendor d x 1 2',
    ];
    expect(refusals(lines)).toEqual(['would remove: a, b', 'would downgrade: c', 'would change the vendor of: d']);
    expect(refusals(lines, { allowRemovals: true })).toEqual(['would downgrade: c', 'would change the vendor of: d']);
  });

  it('lets the oldest kernel be removed for a new one', () => {
    expect(refusals(['change install kernel-core x - 3', 'change remove kernel-core x 1 -'])).toEqual([]);
  });

  it('rejects a change of a protected package, whatever the package manager did with the policy', () => {
    const text = 'would change packages that must not change: kubelet';
    expect(refusals(['guard kubernetes kube*', 'change upgrade kubelet x 1 2'])).toEqual([text]);
    expect(refusals(['guard excluded k+.(', 'change upgrade kubelet x 1 2'])).toEqual([]);
  });

  it('never leaves the major release, the kept minor release, or a service pack', () => {
    const to = (version: string) => ['release sys-release 9.4', `change upgrade sys-release x 9.4-1 ${version}`];
    expect(refusals(to('1:9.5-1.el9'))).toEqual([]);
    expect(refusals(to('10.0-1'))).toEqual(['would leave release 9 with: sys-release 10.0-1']);
    expect(refusals(to('9.4-2'), { keepMinor: true })).toEqual([]);
    expect(refusals(to('9.40-1'), { keepMinor: true })).toEqual(['would leave release 9.4 with: sys-release 9.40-1']);
    expect(refusals(to('15.6-2'), {}, SLES)).toEqual([]);
    expect(refusals(to('15.7-1'), {}, SLES)).toEqual(['would leave release 15.6 with: sys-release 15.7-1']);
  });

  it('rejects security-only patching without advisories', () => {
    expect(refusals(['no-security-data'], { only: 'security' })).toEqual([
      'cannot be limited to security fixes: its repositories carry no advisory metadata',
    ]);
  });

  it('rejects a plan without a digest or with unknown changes', () => {
    expect(dnf.parsePlan('change strange x y 1 2', ROCKY).unparsed).toEqual(['strange x', 'digest ']);
  });
});

describe('readProgress', () => {
  it.each([
    [dnf, '  Upgrading        : lab-a-2-1.noarch                                       1/8 ', 'package-finished'],
    [dnf, '  Installing       : lab-new-1-1.noarch                                     2/8 ', 'package-finished'],
    [dnf, '[2/8] Upgrading glibc-0:2.40-21.fc41 100% |  10.0 MiB/s |  6.7 MiB |  00m01s', 'package-finished'],
    [dnf, '  Cleanup          : lab-a-1-1.noarch                                       5/8 ', undefined],
    [dnf, 'Waiting for process with pid 812 to finish', 'lock-held'],
    [dnf, 'warning: waiting for transaction lock on /var/lib/rpm/.rpm.lock', 'lock-held'],
    [zypper, '(1/5) Installing: lab-a-2-1.noarch [..done]', 'package-finished'],
    [zypper, 'Retrieving package lab-a-2-1.noarch (1/5), 5.4 KiB', undefined],
    [zypper, 'System management is locked by the application with pid 77 (/usr/bin/zypper)', 'lock-held'],
  ])('%#: reads %j', (driver, line, event) => {
    expect(driver.readProgress(line)?.event).toBe(event);
  });
});

describe('classify', () => {
  it.each([
    [dnf, 1, "Error: Failed to download metadata for repo 'lab': Cannot download repomd.xml", 'Repository'],
    [dnf, 1, 'Error: \n Problem: package a-2 requires b = 2, but none of the providers can be installed', 'Policy'],
    [dnf, 1, 'Error: GPG check FAILED', 'DecisionRequired'],
    [
      dnf,
      1,
      'Error: Transaction test error:\n  installing package x needs 4MB more space on the / filesystem',
      'DiskFull',
    ],
    [dnf, 3, 'Traceback (most recent call last):', 'PackageManager'],
    [dnf, 91, '', 'PackagesBroken'],
    [dnf, 93, 'warning: %post(lab-2-1.noarch) scriptlet failed, exit status 7', 'PackageManager'],
    [zypper, 4, 'Problem: nothing provides b needed by a', 'Policy'],
    [zypper, 6, 'Warning: No repositories defined', 'Repository'],
    [zypper, 7, 'System management is locked by the application with pid 7 (zypper)', 'Busy'],
    [zypper, 8, 'Installation of a-2-1.noarch failed:', 'PackageManager'],
    [zypper, 106, 'Some of the repositories have not been refreshed because of an error', 'Repository'],
    [zypper, 5, 'Root privileges are required', 'PackageManager'],
  ])('%#: classifies code %d with %j as %s', (driver, rc, log, type) => {
    const info = driver.classify({ node: 'w-1', phase: 'apply', rc, log });
    expect(info).toMatchObject({ type, details: { rc, phase: 'apply' } });
    expect(info.message).toMatch(/^apply failed on w-1: .*$/);
  });
});
