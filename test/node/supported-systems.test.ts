import type { FactsReading } from '../../src/node/facts';
import { parseFacts } from '../../src/node/facts';
import { assertSafe, assertSupported } from '../../src/node/supported-systems';

const HEALTHY = [
  'os_id=debian',
  'os_version_id=12',
  'os_pretty_name=Debian GNU/Linux 12',
  'package_manager=apt',
  'systemd=yes',
];
const DISK = ['disk_root_kib=2000000', 'disk_var_kib=2000000'];

function reading(...lines: string[]): FactsReading {
  const parsed = parseFacts(1, `${[...lines, ...HEALTHY, ...DISK].join('\n')}\nend\n`);
  if (parsed === null) throw new Error('not facts');
  return parsed;
}

describe('src/node/supported-systems', () => {
  it('accepts Debian and Ubuntu with apt and systemd', () => {
    expect(() => assertSupported('w-1', reading())).not.toThrow();
    expect(() => assertSupported('w-1', reading('os_id=ubuntu', 'os_version_id=24.04'))).not.toThrow();
  });

  it.each([
    ['rhel', '9.6', 'dnf'],
    ['rocky', '9.6', 'dnf'],
    ['almalinux', '8.10', 'dnf'],
    ['centos', '9', 'dnf'],
    ['ol', '9.4', 'dnf'],
    ['fedora', '41', 'dnf5'],
    ['amzn', '2023', 'dnf'],
    ['sles', '15.6', 'zypper'],
    ['opensuse-leap', '15.6', 'zypper'],
  ])('accepts %s %s with %s', (id, version, manager) => {
    const lines = [`os_id=${id}`, `os_version_id=${version}`, `package_manager=${manager}`];
    expect(() => assertSupported('w-1', reading(...lines))).not.toThrow();
  });

  it('accepts Alpine, which has no systemd', () => {
    const lines = ['os_id=alpine', 'os_version_id=3.20.3', 'package_manager=apk', 'systemd=no'];
    expect(() => assertSupported('w-1', reading(...lines))).not.toThrow();
  });

  it.each([
    [['os_id=flatcar'], /w-1 runs Flatcar, an image-based system/],
    [['os_id=bottlerocket'], /Bottlerocket/],
    [['os_id=talos'], /Talos/],
    [['os_id=rhcos'], /RHCOS/],
    [['os_id=opensuse-microos'], /MicroOS/],
    [['os_id=fedora', 'os_variant=coreos'], /Fedora CoreOS/],
    [['image_based=ostree', 'os_pretty_name=Endless'], /Endless, an image-based system \(ostree\)/],
    [['os_id=cos'], /Container-Optimized OS/],
    [['os_id=sles', 'image_based=transactional-update', 'os_pretty_name=SLES'], /SLES, an image-based system/],
    [['os_id=opensuse-tumbleweed', 'os_pretty_name=openSUSE Tumbleweed'], /a rolling release without patch versions/],
    [['os_id=rocky', 'os_pretty_name=Rocky Linux 9.4', 'package_manager=microdnf'], /manager microdnf is unknown/],
    [['os_id=centos', 'os_version_id=7', 'package_manager=yum'], /yum is not supported, because package jobs need/],
    [
      ['os_id=alpine', 'os_version_id=3.21_alpha20240807', 'os_pretty_name=Alpine Linux edge', 'package_manager=apk'],
      /Alpine Linux edge, a rolling release without patch versions/,
    ],
    [
      ['os_id=alpine', 'os_version_id=3.20.3', 'package_manager=apk', 'image_based=diskless mode'],
      /an image-based system \(diskless mode\)/,
    ],
    [['os_id=linuxmint', 'os_pretty_name=Linux Mint 21.3'], /Linux Mint 21.3, which is not supported/],
    [['os_version_id=', 'os_pretty_name=Debian GNU/Linux trixie/sid'], /no release number/],
    [['systemd=no'], /without systemd/],
  ])('rejects %j by name', (lines, message) => {
    expect(() => assertSupported('w-1', reading(...lines))).toThrow(
      expect.objectContaining({
        type: 'UnsupportedOs',
        message: expect.stringMatching(message),
        remedy: expect.any(String),
      }),
    );
  });

  it('rejects a second reboot owner, an undrained Kubernetes node and a nearly full disk', () => {
    const rejection =
      (lines: string[], withoutDrain = false) =>
      () =>
        assertSafe('w-1', reading(...lines), withoutDrain);
    expect(rejection([])).not.toThrow();
    expect(rejection(['reboot_owner=kured'])).toThrow(
      expect.objectContaining({ type: 'Policy', message: expect.stringContaining('kured') }),
    );
    const ignored = [{ name: 'unattended-upgrades', reason: 'reboots on Mondays only' }] as const;
    const [known, other] = [
      reading('reboot_owner=unattended-upgrades with Automatic-Reboot'),
      reading('reboot_owner=kured'),
    ];
    expect(() => assertSafe('w-1', known, false, ignored)).not.toThrow();
    expect(() => assertSafe('w-1', other, false, ignored)).toThrow(expect.objectContaining({ type: 'Policy' }));
    expect(rejection(['kubernetes_agent=k3s'])).toThrow(
      expect.objectContaining({
        type: 'Policy',
        message: expect.stringContaining('k3s'),
        remedy: expect.stringContaining('patching.withoutDrain: true'),
      }),
    );
    expect(rejection(['kubernetes_agent=k3s'], true)).not.toThrow();
    expect(rejection(['disk_var_kib=204800'])).toThrow(
      expect.objectContaining({ type: 'DiskFull', message: expect.stringContaining('200 MiB free on /var') }),
    );
    expect(rejection(['disk_root_kib=1024'], true)).toThrow(expect.objectContaining({ type: 'DiskFull' }));
  });
});
