import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { mustRun, which } from '../../../src/dev/host';
import { buildDeb, indexRepository, rebootPackage, repackOlder } from '../../../tools/lab/packages';

// The lab runs on Debian-like machines only; elsewhere no packages can be built.
const onDebian = which('dpkg-deb') === undefined ? describe.skip : describe;

onDebian('tools/lab/packages', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'ospatch-packages-'));
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('indexes every package with the size and digest of its file', async () => {
    const file = await buildDeb(dir, rebootPackage('1.1'));
    await indexRepository(dir);
    const index = readFileSync(path.join(dir, 'Packages'), 'utf8');
    const [digest] = (await mustRun('sha256sum', [path.join(dir, file)])).split(' ');
    expect(index).toContain('Package: lab-reboot\nVersion: 1.1\n');
    expect(index).toContain(`Filename: ./${file}\n`);
    expect(index).toContain(`SHA256: ${digest}\n`);
  });

  it('requires a reboot on an update and not on a first installation', async () => {
    const file = await buildDeb(dir, rebootPackage('1.1'));
    const control = path.join(dir, 'control');
    await mustRun('dpkg-deb', ['-e', path.join(dir, file), control]);
    const script = readFileSync(path.join(control, 'postinst'), 'utf8').replaceAll('/run/', `${dir}/`);
    writeFileSync(path.join(dir, 'postinst'), script);
    await mustRun('sh', [path.join(dir, 'postinst'), 'configure', '']);
    expect(() => readFileSync(path.join(dir, 'reboot-required'))).toThrow('ENOENT');
    await mustRun('sh', [path.join(dir, 'postinst'), 'configure', '1.0']);
    expect(readFileSync(path.join(dir, 'reboot-required.pkgs'), 'utf8')).toBe('lab-reboot\n');
  });

  it('builds an older package that dpkg sorts before the real one', async () => {
    const real = await buildDeb(dir, { name: 'tool', version: '2.0-1', files: { '/usr/share/tool/note': 'same\n' } });
    const older = await repackOlder(path.join(dir, real), dir);
    const version = (await mustRun('dpkg-deb', ['-f', older, 'Version'])).trim();
    await mustRun('dpkg', ['--compare-versions', version, 'lt', '2.0-1']);
    expect(await mustRun('dpkg-deb', ['--fsys-tarfile', older])).toContain('same\n');
  });

  it('downgrades base-files by one point release', async () => {
    const files = { '/etc/debian_version': '12.15\n' };
    const real = await buildDeb(dir, { name: 'base-files', version: '12.4', files });
    const older = await repackOlder(path.join(dir, real), dir);
    expect(await mustRun('dpkg-deb', ['--fsys-tarfile', older])).toContain('12.14\n');
  });
});
