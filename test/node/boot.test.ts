import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const boot = path.join(__dirname, '../../src/node/helper/boot.sh');
const scratch = mkdtempSync(path.join(tmpdir(), 'boot-'));

afterAll(() => rmSync(scratch, { recursive: true }));

/** Shells of supported nodes; a busybox has its own awk. */
const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([program = '']) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0,
);

/** The output of functions of the helper. */
function run(shell: readonly string[], command: string, input = ''): string {
  const [program = '', ...args] = shell;
  const use = program === 'busybox' ? 'awk() { busybox awk "$@"; }\ngrep() { busybox grep "$@"; }\n' : '';
  return execFileSync(program, [...args, '-c', `set -u\nask() { shift 2; "$@"; }\n${use}. ${boot}\n${command}`], {
    input,
    encoding: 'utf8',
  });
}

function file(name: string, content: string): string {
  const place = path.join(scratch, name);
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, content);
  return place;
}

/** The running kernel, then the installed ones; the newest one that replaces the running one. */
const NEWEST: readonly (readonly [running: string, installed: string, newest: string])[] = [
  // Debian: ABI numbers, backports, LTS builds of a newer kernel, point releases of deb12 on.
  ['6.1.0-9-amd64', '6.1.0-9-amd64 6.1.0-10-amd64 6.1.0-11-cloud-amd64 6.1.0-11-rt-amd64', '6.1.0-10-amd64'],
  ['6.1.0-0.deb11.26-amd64', '6.1.0-0.deb11.26-amd64 6.1.0-0.deb11.28-amd64', '6.1.0-0.deb11.28-amd64'],
  [
    '6.1.0-0.deb11.9-cloud-amd64',
    '6.1.0-0.deb11.26-amd64 6.1.0-0.deb11.11-cloud-amd64',
    '6.1.0-0.deb11.11-cloud-amd64',
  ],
  ['6.12.90+deb12-amd64', '6.12.90+deb12-amd64 6.12.100+deb12-amd64', '6.12.100+deb12-amd64'],
  ['6.12.43+deb12-amd64', '6.12.43+deb13-amd64 6.12.43+deb12-amd64', '6.12.43+deb13-amd64'],
  ['6.1.0-41-amd64', '6.12.57+deb13-amd64 6.1.0-41-amd64 6.12.57+deb13-cloud-amd64', '6.12.57+deb13-amd64'],
  ['6.12.57+deb13-amd64', '6.12.57+deb13+1-amd64 6.12.57+deb13-amd64', '6.12.57+deb13+1-amd64'],
  ['5.10.0-0.bpo.15-amd64', '5.10.0-0.bpo.15-amd64 5.10.0-7-amd64', '5.10.0-7-amd64'],
  ['6.10.11+bpo-amd64', '6.10.11+bpo-amd64 6.9.7+bpo-amd64 6.1.0-41-amd64', '6.10.11+bpo-amd64'],
  ['6.12~rc6-amd64', '6.12~rc6-amd64 6.12-amd64', '6.12-amd64'],
  ['6.1.0-25-armmp-lpae', '6.1.0-25-armmp-lpae 6.1.0-26-armmp 6.1.0-26-armmp-lpae', '6.1.0-26-armmp-lpae'],
  // Ubuntu: flavours of clouds, another line of kernels, builds of the mainline.
  ['5.15.0-99-generic', '5.15.0-99-generic 5.15.0-100-generic 5.15.0-1071-aws', '5.15.0-100-generic'],
  ['5.15.0-1071-aws', '5.15.0-1071-aws 6.8.0-1019-aws 6.8.0-48-generic', '6.8.0-1019-aws'],
  ['6.11.0-061100rc7-generic', '6.11.0-061100rc7-generic 6.11.0-061100-generic', '6.11.0-061100-generic'],
  ['6.8.0-48-lowlatency', '6.8.0-48-lowlatency 6.8.0-49-generic 6.8.0-49-generic-64k', '6.8.0-48-lowlatency'],
  // RHEL, Fedora, Amazon Linux, Oracle Linux: a number in the release is newer than the tag of the distribution.
  ['5.14.0-503.el9.x86_64', '5.14.0-503.el9.x86_64 5.14.0-503.11.1.el9_5.x86_64', '5.14.0-503.11.1.el9_5.x86_64'],
  [
    '5.14.0-427.42.1.el9_4.x86_64',
    '5.14.0-427.42.1.el9_4.x86_64 5.14.0-503.11.1.el9_5.x86_64+rt',
    '5.14.0-427.42.1.el9_4.x86_64',
  ],
  [
    '4.18.0-553.rt7.342.el8_10.x86_64',
    '4.18.0-553.rt7.342.el8_10.x86_64 4.18.0-553.5.1.rt7.346.el8_10.x86_64 4.18.0-600.el8.x86_64',
    '4.18.0-553.5.1.rt7.346.el8_10.x86_64',
  ],
  [
    '6.11.4-301.fc40.x86_64',
    '6.11.4-301.fc40.x86_64 6.11.4-301.fc41.x86_64 6.11.4-300.fc41.x86_64',
    '6.11.4-301.fc41.x86_64',
  ],
  [
    '6.1.112-122.189.amzn2023.x86_64',
    '6.1.112-122.189.amzn2023.x86_64 6.1.112-124.190.amzn2023.x86_64',
    '6.1.112-124.190.amzn2023.x86_64',
  ],
  [
    '5.15.0-302.167.6.el9uek.x86_64',
    '5.15.0-302.167.6.el9uek.x86_64 5.15.0-303.171.5.el9uek.x86_64 5.14.0-999.el9.x86_64',
    '5.15.0-303.171.5.el9uek.x86_64',
  ],
  // SUSE, Alpine, Proxmox, Raspberry Pi, and custom builds.
  [
    '6.4.0-150600.23.9-default',
    '6.4.0-150600.23.9-default 6.4.0-150600.23.25-default 6.4.0-150600.23.30-azure',
    '6.4.0-150600.23.25-default',
  ],
  ['6.6.49-0-lts', '6.6.49-0-lts 6.6.56-0-lts 6.6.99-0-virt', '6.6.56-0-lts'],
  ['6.8.12-9-pve', '6.8.12-9-pve 6.8.12-10-pve 6.8.4-2-pve', '6.8.12-10-pve'],
  ['6.6.51+rpt-rpi-v8', '6.6.51+rpt-rpi-v8 6.12.34+rpt-rpi-v8 6.12.47+rpt-rpi-2712', '6.12.34+rpt-rpi-v8'],
  ['6.6.30-custom', '6.6.30-custom 6.6.31-custom 6.9.0-amd64', '6.6.31-custom'],
  ['6.6.8-xanmod1', '6.6.8-xanmod1 6.6.10-xanmod1 6.6.10-x64v3-xanmod1', '6.6.10-xanmod1'],
  ['6.6.0-rc1-g1234abcd', '6.6.0-rc1-g1234abcd 6.6.0-rc2-gfedcba98', '6.6.0-rc2-gfedcba98'],
];

describe.each(shells)('src/node/helper/boot.sh in %s', (...shell) => {
  it('finds the newest kernel of the running flavour by version, across the naming schemes of the distributions', () => {
    const found = NEWEST.map(([running, installed]) =>
      run(shell, `kernel_versions ${running} ''`, `${installed.split(' ').join('\n')}\n`).trim(),
    );
    expect(found).toEqual(NEWEST.map(([, , newest]) => `${newest} - unknown`));
  });

  it.each([
    ['6.1.0-28-amd64', '6.1.0-26-amd64', 'older behind'],
    ['6.1.0-28-amd64', '6.1.0-28-amd64', 'same behind'],
    ['6.1.0-28-amd64', '6.1.0-30-amd64', 'newer newest'],
    ['6.1.0-28-amd64', '6.1.0-30-rt-amd64', 'other other-flavour'],
  ])('compares the running kernel (%s) with the next one (%s): %s', (running, starts, order) => {
    const installed = '6.1.0-26-amd64\n6.1.0-28-amd64\n6.1.0-30-amd64\n';
    expect(run(shell, `kernel_versions ${running} ${starts}`, installed).trim()).toBe(`6.1.0-30-amd64 ${order}`);
  });

  const grub = (default_: string, env: string[] = []) => {
    const dir = mkdtempSync(path.join(scratch, 'grub-'));
    writeFileSync(path.join(dir, 'grubenv'), `# GRUB Environment Block\n${env.join('\n')}\n${'#'.repeat(900)}`);
    writeFileSync(path.join(dir, 'grub.cfg'), grubConfig(default_));
    return run(shell, `read_grub ${dir}/grub.cfg`).trim().split('\n');
  };

  it.each([
    ['the first entry', '0', [], '28', undefined],
    [
      'an entry of a submenu by its id',
      'gnulinux-advanced-1>gnulinux-6.1.0-26-amd64-advanced-1',
      [],
      '26',
      'pin GRUB_DEFAULT=gnulinux-advanced-1>gnulinux-6.1.0-26-amd64-advanced-1',
    ],
    [
      'an entry of a submenu by its title',
      'Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-26-amd64',
      [],
      '26',
      expect.stringMatching(/^pin GRUB_DEFAULT=Advanced/),
    ],
    ['an entry of a submenu by its number', '1>2', [], '26', 'pin GRUB_DEFAULT=1>2'],
    ['a submenu: the first of it', '1', [], '28', 'pin GRUB_DEFAULT=1'],
    [
      'an entry of a submenu that is named without it, which GRUB does not find',
      'gnulinux-6.1.0-26-amd64-advanced-1',
      [],
      '28',
      'pin GRUB_DEFAULT=gnulinux-6.1.0-26-amd64-advanced-1, which is in no menu',
    ],
    ['the saved entry', '${saved_entry}', ['saved_entry=1>2'], '26', 'pin saved_entry=1>2 of GRUB'],
    ['no saved entry', '${saved_entry}', [], '28', undefined],
    ['the entry of the next boot only', '0', ['saved_entry=0', 'next_entry=1>2'], '26', 'once next_entry=1>2 of GRUB'],
  ])('reads from grub.cfg that GRUB starts %s', (_, default_, env, kernel, pin) => {
    expect(grub(default_, env)).toEqual([
      'loader grub',
      `kernel /boot/vmlinuz-6.1.0-${kernel}-amd64`,
      `initrd /boot/initrd.img-6.1.0-${kernel}-amd64`,
      ...(pin === undefined ? [] : [pin]),
      'other-initrds',
    ]);
  });

  it('reads the entries of blscfg, the newest first unless another is saved', () => {
    const id = '0123456789abcdef0123456789abcdef';
    for (const release of ['503.11.1.el9_5', '503.el9', '427.13.1.el9_4'])
      file(
        `bls/entries/${id}-5.14.0-${release}.x86_64.conf`,
        `title Red Hat (5.14.0-${release}.x86_64) 9\nversion 5.14.0-${release}.x86_64\nlinux /vmlinuz-5.14.0-${release}.x86_64\ninitrd /initramfs-5.14.0-${release}.x86_64.img $tuned_initrd\noptions $kernelopts\n`,
      );
    file(
      `bls/entries/${id}-0-rescue.conf`,
      'title rescue\nversion 0-rescue\nlinux /vmlinuz-0-rescue\ninitrd /initramfs-0-rescue.img\n',
    );
    file('bls/grubenv', '');
    const config = file('bls/grub.cfg', grubHead('${saved_entry}') + BLS_TAIL);
    const read = () => run(shell, `read_grub ${config} ${scratch}/bls/entries/*.conf`).trim().split('\n');
    expect(read().slice(0, 3)).toEqual([
      'loader grub',
      'kernel /vmlinuz-5.14.0-503.11.1.el9_5.x86_64',
      'initrd /initramfs-5.14.0-503.11.1.el9_5.x86_64.img',
    ]);
    file('bls/grubenv', `saved_entry=${id}-5.14.0-427.13.1.el9_4.x86_64\nboot_success=0\n`);
    expect(read()).toEqual(
      expect.arrayContaining([
        'kernel /vmlinuz-5.14.0-427.13.1.el9_4.x86_64',
        expect.stringMatching(/^pin saved_entry=/),
      ]),
    );
    file('bls/grubenv', 'saved_entry=1\n');
    expect(read()).toContain('kernel /vmlinuz-5.14.0-503.el9.x86_64');
  });

  it('reads the entries of systemd-boot with its default pattern, and puts recently failed ones last', () => {
    const entry = (name: string, version: string) =>
      file(
        `sd/entries/${name}.conf`,
        `title Debian\nversion ${version}\nsort-key debian\nlinux /m/${version}/linux\ninitrd /m/${version}/initrd\n`,
      );
    for (const abi of ['9', '10', '11']) entry(`m-6.1.0-${abi}-amd64`, `6.1.0-${abi}-amd64`);
    entry('m-6.1.0-12-amd64+0-3', '6.1.0-12-amd64');
    file('sd/loader.conf', 'timeout 3\ndefault m-*\n');
    const read = () => run(shell, `read_entries ${scratch}/sd`).trim().split('\n');
    expect(read()).toEqual([
      'loader systemd-boot',
      'kernel /m/6.1.0-11-amd64/linux',
      'initrd /m/6.1.0-11-amd64/initrd',
      'other-initrds',
    ]);
    file('sd/loader.conf', 'default m-6.1.0-9-amd64.conf\n');
    expect(read()).toEqual(
      expect.arrayContaining(['kernel /m/6.1.0-9-amd64/linux', 'pin default m-6.1.0-9-amd64 in loader.conf']),
    );
  });

  it('reads extlinux.conf like U-Boot', () => {
    const config = file(
      'extlinux.conf',
      'default l0r\nmenu title U-Boot\nlabel l0\n\tlinux /boot/vmlinuz-6.1.0-28-arm64\n\tinitrd /boot/initrd.img-6.1.0-28-arm64\nlabel l0r\n\tlinux /boot/vmlinuz-6.1.0-26-arm64\n\tinitrd /boot/initrd.img-6.1.0-26-arm64\n\tappend root=/dev/x\n',
    );
    expect(run(shell, `read_extlinux ${config}`).trim().split('\n')).toEqual([
      'loader extlinux',
      'kernel /boot/vmlinuz-6.1.0-26-arm64',
      'initrd /boot/initrd.img-6.1.0-26-arm64',
      `pin default l0r in ${config}`,
      'other-initrds',
    ]);
    writeFileSync(config, 'DEFAULT menu.c32\nLABEL lts\n  MENU DEFAULT\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n');
    expect(run(shell, `read_extlinux ${config}`)).toContain('kernel vmlinuz-lts');
  });

  it('distinguishes a truncated initial RAM disk from a complete one, also behind early archives', () => {
    const [program] = shell;
    const big = path.join(scratch, 'content');
    execFileSync('sh', ['-c', `head -c 300000 /dev/urandom >${big}`]);
    const state = (place: string): string =>
      run(shell, `bytes=$(stat -c %s ${place}); is_whole ${place} initrd; echo $state`).trim();
    // The grep of busybox cannot search behind an early archive.
    const [whole, cut] = program === 'busybox' ? ['unknown', 'unknown'] : ['whole', 'damaged'];
    for (const tool of ['gzip', 'zstd -q', 'xz', 'lz4 -l -q']) {
      if (spawnSync('sh', ['-c', `command -v ${tool.split(' ')[0]}`]).status !== 0) continue;
      const place = path.join(scratch, `initrd-${tool.split(' ')[0]}`);
      execFileSync('sh', ['-c', `${tool} -c <${big} >${place}`]);
      // An early archive as written by cpio: a trailer, padded to 512 bytes.
      execFileSync('sh', [
        '-c',
        `{ { printf 070701; head -c 104 /dev/zero | tr '\\000' 0; printf 'TRAILER!!!'; head -c 392 /dev/zero; } ; cat ${place}; } >${place}-early`,
      ]);
      expect([tool, state(place), state(`${place}-early`)]).toEqual([tool, 'whole', whole]);
      truncateSync(place, 150_000);
      truncateSync(`${place}-early`, 150_000);
      expect([tool, state(place), state(`${place}-early`)]).toEqual([tool, 'damaged', cut]);
    }
    writeFileSync(path.join(scratch, 'initrd-zeros'), Buffer.alloc(4096));
    expect(state(path.join(scratch, 'initrd-zeros'))).toBe('damaged');
    expect(state(file('initrd-other', 'something else'))).toBe('unknown');
  });
});

function grubHead(default_: string): string {
  return `set pager=1
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${default_}"
fi
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
    save_env saved_entry
  fi
}
`;
}

/** RHEL and Fedora: one file per entry, and a boot counter that may select another entry. */
const BLS_TAIL = `insmod blscfg
blscfg
if [ "\${boot_counter}" -a "\${boot_success}" = "0" ]; then
  if [ "\${boot_counter}" = "0" -o "\${boot_counter}" = "-1" ]; then
    set default=1
    set boot_counter=-1
  fi
fi
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
	fwsetup
}
`;

/** As written by grub-mkconfig of Debian 12. */
function grubConfig(default_: string): string {
  const entry = (title: string, id: string, abi: number, indent = '') =>
    `${indent}menuentry '${title}' --class debian --class os $menuentry_id_option '${id}' {
${indent}	load_video
${indent}	insmod gzio
${indent}	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
${indent}	search --no-floppy --fs-uuid --set=root 1
${indent}	linux	/boot/vmlinuz-6.1.0-${abi}-amd64 root=UUID=1 ro quiet
${indent}	initrd	/boot/initrd.img-6.1.0-${abi}-amd64
${indent}}
`;
  const name = 'Debian GNU/Linux';
  const advanced = (abi: number) =>
    entry(`${name}, with Linux 6.1.0-${abi}-amd64`, `gnulinux-6.1.0-${abi}-amd64-advanced-1`, abi, '\t') +
    entry(
      `${name}, with Linux 6.1.0-${abi}-amd64 (recovery mode)`,
      `gnulinux-6.1.0-${abi}-amd64-recovery-1`,
      abi,
      '\t',
    );
  return `${grubHead(default_)}
### BEGIN /etc/grub.d/10_linux ###
${entry(name, 'gnulinux-simple-1', 28)}submenu 'Advanced options for ${name}' $menuentry_id_option 'gnulinux-advanced-1' {
${advanced(28)}${advanced(26)}}
### END /etc/grub.d/10_linux ###
`;
}
