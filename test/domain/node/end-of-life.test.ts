import type { OsLifecycle } from '../../../src/domain/node/end-of-life';
import { osEndOfLife } from '../../../src/domain/node/end-of-life';

function os(id: string, versionId: string, more: Partial<OsLifecycle> = {}): OsLifecycle {
  return {
    id,
    versionId,
    codename: '',
    prettyName: `${id} ${versionId}`,
    supportEnd: null,
    isExtended: false,
    ...more,
  };
}

const on = (system: OsLifecycle, day: string) => osEndOfLife(system, Date.parse(`${day}T12:00:00Z`));
const ended = (day: string) => ({
  kind: 'end-of-life',
  message: expect.stringContaining(`end of life on ${day}`) as string,
});

describe('src/domain/node/end-of-life', () => {
  it.each([
    ['debian', '10', '2024-06-30'],
    ['debian', '11', '2026-08-31'],
    ['ubuntu', '20.04', '2025-05-29'],
    ['ubuntu', '25.10', '2026-07-09'],
    ['alpine', '3.21.4', '2026-11-01'],
    ['rhel', '7.9', '2024-06-30'],
    ['centos', '7', '2024-06-30'],
    ['centos', '8', '2021-12-31'],
    ['amzn', '2', '2026-06-30'],
    ['sles', '15.6', '2025-12-31'],
    ['opensuse-leap', '15.6', '2026-04-30'],
  ])('%s %s has ended after %s, and not on that day', (id, version, day) => {
    expect(on(os(id, version), day)).toBeNull();
    expect(on(os(id, version), '2026-11-26')).toMatchObject(ended(day));
  });

  it.each([
    ['debian', '12'],
    ['debian', ''],
    ['ubuntu', '24.04'],
    ['alpine', '3.23.0'],
    ['alpine', '3.24_alpha20260101'],
    ['rocky', '9.6'],
    ['centos', '10'],
    ['gentoo', '2.17'],
    ['constructor', 'name'],
  ])('%s %s has not ended, as far as is known', (id, version) => {
    expect(on(os(id, version), '2026-11-26')).toBeNull();
  });

  it('trusts the date on the node for an unknown release, and where that date is later', () => {
    expect(on(os('fedora', '41', { supportEnd: '2025-12-15' }), '2026-11-26')).toMatchObject(ended('2025-12-15'));
    expect(on(os('debian', '11', { supportEnd: '2024-08-14' }), '2025-01-01')).toBeNull();
    expect(on(os('debian', '11', { supportEnd: '2031-06-30' }), '2026-11-26')).toBeNull();
    expect(on(os('fedora', '41', { supportEnd: 'soon' }), '2026-11-26')).toBeNull();
  });

  it('names the publisher of the date, or the node as its source', () => {
    expect(on(os('sles', '15.6'), '2026-11-26')?.message).toContain('on 2025-12-31 (suse.com/lifecycle): without');
    const node = os('fedora', '41', { supportEnd: '2025-12-15' });
    expect(on(node, '2026-11-26')?.message).toContain('on 2025-12-15 (as reported by the node): without');
  });

  it('distinguishes CentOS Stream from CentOS Linux', () => {
    expect(on(os('centos', '8', { prettyName: 'CentOS Stream 8' }), '2026-11-26')).toMatchObject(ended('2024-05-31'));
  });

  it('reports nothing where a subscription extends the support of the release', () => {
    expect(on(os('ubuntu', '20.04', { isExtended: true }), '2026-11-26')).toBeNull();
  });
});
