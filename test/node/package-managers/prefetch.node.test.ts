import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Lab } from '../../../tools/lab/lab';
import type { LabNode } from '../../../tools/lab/lab-node';
import { REPOSITORY_DIR } from '../../../tools/lab/packages';
import { sh } from '../../support/sh';
import type { WebDirectory } from '../../support/web-directory';
import { serveDirectory } from '../../support/web-directory';
import type { ActivityRunner } from '../support';
import { useLab, ask, targetOf, token } from '../support';
import { install, offer, fakeOsRelease } from './rpm-lab';

const LIMIT_MS = 60_000;
const MANAGERS = ['apt', 'dnf', 'zypper'] as const;
type Manager = (typeof MANAGERS)[number];

jest.setTimeout(240_000);

const labUpdates = [{ from: { name: 'lab-a', version: '1' }, to: { name: 'lab-a', version: '2' } }];

function write(node: LabNode, file: string, text: string): void {
  mkdirSync(path.dirname(path.join(node.rootDir, file)), { recursive: true });
  writeFileSync(path.join(node.rootDir, file), text);
}

/** Makes the node use a mirror that can be stopped. */
const useMirror: Record<Manager, (node: LabNode) => Promise<WebDirectory>> = {
  apt: async (node) => {
    const mirror = await serveDirectory(path.join(node.rootDir, REPOSITORY_DIR));
    write(node, 'etc/apt/sources.list', '');
    write(node, 'etc/apt/sources.list.d/lab.list', `deb [trusted=yes] ${mirror.url}/ ./\n`);
    write(node, 'etc/apt/apt.conf.d/96lab-direct', 'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n');
    // Administrator's options that must not change a download.
    write(node, 'etc/apt/apt.conf.d/97lab-switches', 'APT::Get { Simulate "true"; Assume-No "true"; };\n');
    return mirror;
  },
  dnf: async (node) => {
    fakeOsRelease(node, { ID: 'rocky', ID_LIKE: 'rhel', VERSION_ID: '9.4', PRETTY_NAME: 'Rocky Linux 9.4' });
    const header = ['Provides: system-release = 9.4', 'Provides: system-release(releasever) = 9'];
    await install(node, [
      { name: 'rocky-release', version: '9.4', header },
      { name: 'lab-a', version: '1' },
    ]);
    await offer(node, { name: 'lab-a', version: '2' });
    const mirror = await serveDirectory(path.join(node.rootDir, 'srv/repo'));
    write(node, 'etc/yum.repos.d/lab.repo', `[lab]\nname=lab\nbaseurl=${mirror.url}\ngpgcheck=0\nproxy=\n`);
    return mirror;
  },
  zypper: async (node) => {
    fakeOsRelease(node, { ID: 'sles', ID_LIKE: 'suse', VERSION_ID: '15.6', PRETTY_NAME: 'SLES 15 SP6' });
    await install(node, [{ name: 'lab-a', version: '1' }]);
    await offer(node, { name: 'lab-a', version: '2' });
    const mirror = await serveDirectory(path.join(node.rootDir, 'srv/repo'));
    const repo = `[lab]\nname=lab\nbaseurl=${mirror.url}\ngpgcheck=0\nenabled=1\nautorefresh=0\nkeeppackages=0\n`;
    write(node, 'etc/zypp/repos.d/lab.repo', repo);
    return mirror;
  },
};

const VERSION_OF: Record<Manager, string> = {
  apt: "dpkg-query -W -f '${Version}' lab-a",
  dnf: "rpm -q --qf '%{VERSION}' lab-a",
  zypper: "rpm -q --qf '%{VERSION}' lab-a",
};

describe('src/node/prefetch on real nodes', () => {
  let lab: Lab;
  let activities: ActivityRunner;
  const mirrors = new Map<Manager, WebDirectory>();

  useLab(
    [
      { name: 'apt', updates: 'none', labUpdates },
      { name: 'dnf', updates: 'none', rpm: 'dnf' },
      { name: 'zypper', updates: 'none', rpm: 'zypper' },
    ],
    async (started) => {
      ({ lab, activities } = started);
      for (const manager of MANAGERS) mirrors.set(manager, await useMirror[manager](lab.node(manager)));
    },
  );

  afterAll(async () => {
    for (const mirror of mirrors.values()) await mirror.close();
  });

  async function planned(packageManager: Manager) {
    const input = { target: targetOf(lab.node(packageManager)), token: token(), attempt: 1 };
    const preflight = { ...input, withoutDrain: true, unreachableTimeoutMs: LIMIT_MS };
    const { plan } = await activities.run('preflight', preflight);
    const work = { ...input, packageManager, planDigest: plan.digest, planned: plan.changes.length };
    return {
      plan,
      prefetch: () => activities.run('prefetch', { ...work, unreachableTimeoutMs: LIMIT_MS }),
      apply: () => activities.run('apply', { ...work, lostTimeoutMs: LIMIT_MS }),
    };
  }

  test('a package set that has changed since the plan is planned again before the drain', async () => {
    const node = lab.node('apt');
    const { prefetch } = await planned('apt');
    await node.offer({ name: 'lab-a', version: '3' });
    await sh(node, 'apt-get -qq update');
    await expect(prefetch()).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await ask(node, VERSION_OF.apt)).toBe('1');
  });

  test.each(MANAGERS)('%s: downloaded packages are installed without the mirror', async (manager) => {
    const node = lab.node(manager);
    const mirror = mirrors.get(manager);
    const { plan, prefetch, apply } = await planned(manager);
    expect(plan.changes).toMatchObject([{ name: 'lab-a' }]);
    await prefetch();
    expect(await ask(node, VERSION_OF[manager])).toBe('1');
    await mirror?.close();
    expect(await apply()).toMatchObject({ state: 'done', result: { error: null, changes: [{ name: 'lab-a' }] } });
    expect(await ask(node, VERSION_OF[manager])).toMatch(/^[23]/);
  });
});
