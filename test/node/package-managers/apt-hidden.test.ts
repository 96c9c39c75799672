import type { NodeFacts } from '../../../src/domain/node/report';
import { DEFAULT_PACKAGE_POLICY } from '../../../src/domain/spec/package-policy';
import { parseAptPlan } from '../../../src/node/package-managers/apt-plan';

const os: NodeFacts['os'] = { id: 'debian', versionId: '12', codename: 'bookworm', prettyName: 'Debian 12' };
const DIGEST = `digest ${'a'.repeat(64)}`;
const read = (lines: string[], onHidden: 'warn' | 'fail' = 'warn') =>
  parseAptPlan([DIGEST, ...lines, ''].join('\n'), os, { ...DEFAULT_PACKAGE_POLICY, onHidden });
const warnings = (lines: string[]) => read(lines).plan.warnings.map(({ kind, message }) => `${kind}: ${message}`);

describe('src/node/package-managers/apt-hidden', () => {
  it('lists hidden security fixes with their cause, one warning per cause', () => {
    const lines = [
      'hidden default-release openssl 3.0.22',
      'hidden default-release libssl3 3.0.22',
      'hidden hold vim 9.1',
    ];
    expect(warnings(lines)).toEqual([
      'hidden-updates: 2 security fixes are not offered by apt (openssl 3.0.22, libssl3 3.0.22): APT::Default-Release gives them a lower priority than what is installed',
      'hidden-updates: 1 security fix is not offered by apt (vim 9.1): the packages are on hold',
    ]);
  });

  it('fails the node for fixes hidden by its own configuration, where the spec says so', () => {
    const hidden = ['hidden pin openssl 3.0.22'];
    expect(read(hidden).refusals).toEqual([]);
    expect(read(hidden, 'fail').refusals).toEqual([expect.stringMatching(/openssl 3\.0\.22.*a pin.*onHidden is fail/)]);
  });

  it('does not report a fix as hidden that the plan has in this very version', () => {
    const planned = (version: string) =>
      `out Inst openssl [3.0.20] (${version} Debian-Security:12/stable-security [amd64])`;
    expect(warnings(['hidden default-release openssl 3.0.22', planned('3.0.22')])).toEqual([]);
    expect(warnings(['hidden default-release openssl 3.0.22', planned('3.0.21')])).toHaveLength(1);
  });

  it('warns that missing, expired or old lists cannot show pending updates', () => {
    expect(
      warnings([
        "list-missing 'http://mirror/dists/bookworm/InRelease'",
        'list-expired mirror_InRelease',
        'lists-age 1728003',
      ]),
    ).toEqual([
      'stale-lists: the node has no package lists of http://mirror/dists/bookworm/InRelease, so more may be pending than is shown',
      'stale-lists: package lists have expired (mirror_InRelease), so more may be pending than is shown',
      'stale-lists: the package lists of the node are 20 days old, so more may be pending than is shown',
    ]);
    expect(warnings(['lists-age 3600'])).toEqual([]);
  });

  it("warns of the distribution's archive without its security archive, and of no mirror with other names", () => {
    const main = 'archive|Debian|Debian|12.15|oldstable|bookworm';
    expect(warnings([main])).toEqual([expect.stringContaining('no security archive')]);
    expect(warnings([main, 'archive|Debian-Security|Debian|12|oldstable-security|bookworm-security'])).toEqual([]);
    expect(warnings(['archive|Environment|Environment||main|'])).toEqual([]);
  });
});
