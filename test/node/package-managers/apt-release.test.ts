import type { NodeFacts } from '../../../src/domain/node/report';
import { isSameRelease, parseArchive } from '../../../src/node/package-managers/apt-release';

const system = (id: string, versionId: string, codename: string): NodeFacts['os'] => ({
  id,
  versionId,
  codename,
  prettyName: id,
});
const bookworm = system('debian', '12', 'bookworm');
const noble = system('ubuntu', '24.04', 'noble');

/** The archive in a simulation, its Release file, and whether both belong to the same release. */
const CASES: [NodeFacts['os'], string, string, boolean][] = [
  [bookworm, 'Debian:12.15/oldstable', 'Debian|Debian|12.15|oldstable|bookworm', true],
  [
    bookworm,
    'Debian:12-updates/oldstable-updates',
    'Debian|Debian|12-updates|oldstable-updates|bookworm-updates',
    true,
  ],
  [
    bookworm,
    'Debian Backports:oldstable-backports',
    'Debian Backports|Debian Backports||oldstable-backports|bookworm-backports',
    true,
  ],
  [
    bookworm,
    'Debian Backports:stable-backports',
    'Debian Backports|Debian Backports||stable-backports|trixie-backports',
    false,
  ],
  [
    bookworm,
    'Debian Backports:stable-backports-sloppy',
    'Debian Backports|x||stable-backports-sloppy|bookworm-backports-sloppy',
    true,
  ],
  // In-house mirrors: one without a number, one without any field, and one of another release.
  [bookworm, 'Debian:stable', 'Debian|Environment||stable|bookworm', true],
  [bookworm, 'Debian:main', 'Debian|Environment||main|', true],
  [bookworm, 'Debian:stable', 'Debian|Environment||stable|', true],
  [bookworm, 'Debian:prod', 'Debian|Environment||prod|bookworm-prod', true],
  [bookworm, 'Debian:trixie', 'Debian|Environment||trixie|', false],
  [bookworm, 'Debian:stable', 'Debian|Environment||stable|trixie', false],
  [bookworm, 'Debian:weird/stable', 'Debian|Environment|weird|stable|bookworm', true],
  [bookworm, 'Debian:13.1/stable', 'Debian|Debian|13.1|stable|trixie', false],
  [bookworm, 'Debian:13.1/stable', 'other|Debian|13.1|stable|trixie', false],
  // Third parties name releases freely.
  [bookworm, 'Docker CE:trixie', 'Docker CE|Docker||trixie|trixie', true],
  [bookworm, 'Proxmox Debian Repository:stable', 'Proxmox Debian Repository|Proxmox|9|stable|trixie', true],
  [bookworm, 'localhost', '', true],
  [noble, 'Ubuntu:24.04/noble-security', 'Ubuntu|Ubuntu|24.04|noble-security|noble', true],
  [noble, 'Ubuntu:24.10/oracular', 'Ubuntu|Ubuntu|24.10|oracular|oracular', false],
  [noble, 'My PPA:24.10/oracular', 'My PPA|LP-PPA-me|24.10|oracular|oracular', true],
  [noble, 'UbuntuESMApps:24.04/noble-apps-security', 'UbuntuESMApps|UbuntuESM|24.04|noble-apps-security|noble', true],
  // The number changes with every snapshot, the codename does not.
  [
    system('kali', '2026.2', 'kali-rolling'),
    'Kali:2026.3/kali-rolling',
    'Kali|Kali|2026.3|kali-rolling|kali-rolling',
    true,
  ],
  [system('raspbian', '12', 'bookworm'), 'Raspbian:stable', 'Raspbian|Raspbian||stable|trixie', false],
  [system('debian', '', 'forky'), 'Debian:unstable', 'Debian|Debian||unstable|sid', true],
];

describe('src/node/package-managers/apt-release', () => {
  it.each(CASES)('for %j, %s (%s): %s', (os, origin, release, expected) => {
    const archive = parseArchive(`archive|${release}`);
    expect(isSameRelease(origin, os, archive === null ? [] : [archive])).toBe(expected);
  });
});
