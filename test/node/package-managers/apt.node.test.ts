import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import type { LabPackage } from '../../../tools/lab/packages';
import { buildDeb, indexRepository } from '../../../tools/lab/packages';
import type { PackagePolicy } from '../../../src/domain/spec/package-policy';
import { DEFAULT_PACKAGE_POLICY } from '../../../src/domain/spec/package-policy';
import type { ActivityRunner } from '../support';
import { useLab, aptTransactions, ask, targetOf, token } from '../support';
import { sh } from '../../support/sh';
import { useAptNode } from './apt-node';
import { makeState, states } from './dpkg-states';
import type { PatchRunner } from './patch-runner';

const LIMIT_MS = 60_000;
const SECURITY_DIR = '/var/lib/lab/security';

jest.setTimeout(240_000);

const version = (name: string, number: string, fields: Record<string, string> = {}): LabPackage => ({
  name,
  version: number,
  fields,
});

const labUpdates = [
  { from: version('lab-plain', '1'), to: version('lab-plain', '2') },
  { from: version('lab-both', '1'), to: version('lab-both', '1.2') },
  { from: version('lab-fix', '1'), to: version('lab-new', '1') },
  { from: version('kubelet', '1.30.1'), to: version('kubelet', '1.30.2') },
  { from: version('lab-phased', '1'), to: version('lab-phased', '2', { 'Phased-Update-Percentage': '0' }) },
  {
    from: version('lab-old', '1'),
    to: version('lab-next', '2', { Conflicts: 'lab-old', Replaces: 'lab-old', Provides: 'lab-old' }),
  },
  { from: version('lab-next', '1'), to: version('lab-next', '2', { Conflicts: 'lab-old', Replaces: 'lab-old' }) },
];

/** Debian with its real apt. */
describe('src/node/package-managers/apt on a real node', () => {
  let activities: ActivityRunner;
  let node: LabNode;

  useLab([{ name: 'policy', updates: 'none', labUpdates }], async (started) => {
    ({ node, activities } = started);
    // apt assigns a machine to a phase by its id: with 0 %, one id in 101 is included.
    await sh(node, 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id');
  });

  async function preflight(policy: Partial<PackagePolicy>) {
    const jobToken = token();
    const packages = { ...DEFAULT_PACKAGE_POLICY, ...policy };
    const input = { target: targetOf(node), token: jobToken, attempt: 1, packages };
    const { plan } = await activities.run('preflight', {
      ...input,
      withoutDrain: true,
      unreachableTimeoutMs: LIMIT_MS,
    });
    const apply = () =>
      activities.run('apply', {
        ...input,
        packageManager: 'apt',
        planDigest: plan.digest,
        planned: plan.changes.length,
        lostTimeoutMs: LIMIT_MS,
      });
    return { plan, apply, changes: plan.changes.map(({ name, from, to }) => `${name} ${from} ${to}`).toSorted() };
  }

  const removesOld = { type: 'Policy', message: 'the patch of policy would remove: lab-old' };

  it('rejects a plan that removes a package, by name', async () => {
    await expect(preflight({})).rejects.toMatchObject(removesOld);
  });

  it('rejects security-only patching where no archive is a security archive', async () => {
    await sh(node, "sed -i '/-security/d' /etc/apt/sources.list");
    await expect(preflight({ only: 'security' })).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('none of its package sources is a security archive'),
    });
  });

  it('keeps excluded packages, and with them updates that depend on them', async () => {
    const { plan, changes } = await preflight({ exclude: ['lab-b*', 'lab-next'] });
    expect(changes).toEqual(['lab-plain 1 2']);
    expect(plan.keptBack).toEqual([
      { name: 'kubelet', reason: 'kubernetes' },
      { name: 'lab-both', reason: 'excluded' },
      { name: 'lab-next', reason: 'excluded' },
      // The message of apt 2.6 of Debian; newer versions report phasing.
      { name: 'lab-phased', reason: 'dependencies' },
    ]);
  });

  it('never newly installs an excluded package', async () => {
    await expect(preflight({ exclude: ['lab-new', 'lab-next'] })).resolves.toMatchObject({
      changes: ['lab-both 1 1.2', 'lab-plain 1 2'],
    });
  });

  it('installs phased updates at once, or Kubernetes packages, only when configured', async () => {
    const base = ['lab-both 1 1.2', 'lab-plain 1 2'];
    const exclude = ['lab-next'];
    expect((await preflight({ exclude, phasedUpdates: 'never' })).changes).toEqual(base);
    expect((await preflight({ exclude, phasedUpdates: 'always' })).changes).toEqual(
      [...base, 'lab-phased 1 2'].toSorted(),
    );
    expect((await preflight({ exclude, includeKubernetes: true })).changes).toEqual(['kubelet 1.30.1 1.30.2', ...base]);
  });

  it('never removes an excluded package, even where removals are allowed', async () => {
    await expect(preflight({ exclude: ['lab-old'] })).rejects.toMatchObject(removesOld);
    const allowed = preflight({ exclude: ['lab-old'], allowRemovals: true });
    await expect(allowed).rejects.toMatchObject(removesOld);
  });

  it('applies exactly the security fixes, in the version of the security archive, with their dependencies', async () => {
    await offerSecurity(node, [
      version('lab-fix', '2', { Depends: 'lab-new' }),
      version('lab-both', '1.1'),
      version('kubelet', '1.30.3'),
    ]);
    const { plan: without } = await preflight({ only: 'security', exclude: ['lab-both', 'lab-plain'] });
    expect(without.warnings.filter(({ kind }) => kind === 'excluded-security')).toEqual([
      {
        kind: 'excluded-security',
        message: '1 package has a security fix that patching.packages.exclude holds back: lab-both',
        remedy: 'remove them from patching.packages.exclude, or update them by hand',
      },
    ]);
    const { plan, apply, changes } = await preflight({ only: 'security' });
    expect(changes).toEqual(['lab-both 1 1.1', 'lab-fix 1 2', 'lab-new null 1']);
    const before = aptTransactions(node).length;
    expect(await apply()).toMatchObject({
      state: 'done',
      result: { error: null, changes: expect.arrayContaining(plan.changes) },
    });
    expect(aptTransactions(node).length).toBeGreaterThan(before);
    expect((await preflight({ only: 'security' })).changes).toEqual([]);
    expect(await ask(node, "dpkg-query -W -f='${Version}' lab-plain")).toBe('1');
  });

  it("does not treat a version preferred by an administrator's pin as a security fix", async () => {
    const pin = 'Package: lab-plain\nPin: release l=ospatch lab\nPin-Priority: 900\n';
    writeFileSync(path.join(node.rootDir, 'etc/apt/preferences'), pin);
    await offerSecurity(node, [version('lab-both', '1.1.1')]);
    const { apply, changes } = await preflight({ only: 'security' });
    expect(changes).toEqual(['lab-both 1.1 1.1.1']);
    expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
    expect(await ask(node, "dpkg-query -W -f='${Version}' lab-plain")).toBe('1');
    // The solution of the plan is reused.
    expect(
      await ask(node, 'cd $(ls -td /var/lib/ospatch/runs/*-apply-1 | head -n 1) && ls stray simulation 2>&1'),
    ).toMatch(/cannot access 'simulation'.*\nstray$/s);
    expect((await preflight({ only: 'security' })).changes).toEqual([]);
    await sh(node, 'rm /etc/apt/preferences');
  });

  it('removes conflicting packages where removals are allowed, and reports them', async () => {
    const { apply, changes } = await preflight({ allowRemovals: true });
    expect(changes).toContain('lab-old 1 null');
    expect(await apply()).toMatchObject({
      state: 'done',
      result: {
        error: null,
        changes: expect.arrayContaining([{ name: 'lab-old', arch: 'all', from: '1', to: null }]),
      },
    });
    expect(await ask(node, "dpkg-query -W -f='${db:Status-Abbrev}' lab-old 2>/dev/null || echo gone")).not.toContain(
      'ii',
    );
  });
});

const EVERY_SWITCH = `APT::Get::Show-Versions "true"; APT::Get::Assume-No "true"; APT::Get::Simulate "true";
APT::Get::Download-Only "true"; APT::Get::Trivial-Only "true"; APT::Get::Purge "true"; APT::Get::Remove "false";
APT::Color "true"; quiet "3"; Debug::pkgDepCache::Marker "true"; Debug::pkgProblemResolver "true"; APT::Cmd::Use-Format "true";
Dpkg::Progress "true"; Dpkg::Progress-Fancy "true"; Dpkg::Options { "--force-confnew"; };
`;

describe('src/node/package-managers/apt on a node with custom settings', () => {
  let node: LabNode;
  let patch: PatchRunner;

  useAptNode('own', (made) => ({ node, patch } = made));

  const write = (file: string, text: string): void => writeFileSync(path.join(node.rootDir, 'etc/apt', file), text);

  it('plans and applies under any apt and dpkg options', async () => {
    await makeState(
      node,
      `installed st-a 1.0 '' conffile /etc/st-a.conf; echo mine >/etc/st-a.conf; installed st-b 1.0 ''
       mkpkg st-a 1.1 '' conffile /etc/st-a.conf; mkpkg st-b 1.1 'Depends: nowhere\\n'; index`,
    );
    write('apt.conf.d/99switches', EVERY_SWITCH);
    await sh(node, 'echo force-confnew >/etc/dpkg/dpkg.cfg.d/own');
    const run = await patch();
    expect(run.plan.keptBack).toEqual([{ name: 'st-b', reason: 'dependencies' }]);
    expect(await run.apply()).toMatchObject({ state: 'done', result: { error: null } });
    expect(await states(node)).toEqual(['ii st-a 1.1', 'ii st-b 1.0']);
    expect(await ask(node, 'cat /etc/st-a.conf')).toBe('mine');
    await sh(node, 'rm /etc/apt/apt.conf.d/99switches /etc/dpkg/dpkg.cfg.d/own');
  });

  it('computes the space of a plan from its versions, without the downloads', async () => {
    await makeState(
      node,
      `installed st-a 1:1.0 'Installed-Size: 100\\n'; installed st-b 1.0 ''
       mkpkg st-a 1:1.1 'Installed-Size: 300\\n'; mkpkg st-a 1:1.2 'Installed-Size: 90000\\n'
       mkpkg st-b 1.1 'Installed-Size: 50\\n'; index; cp $R/st-b_1.1_*.deb /var/cache/apt/archives/`,
    );
    write('preferences.d/own', 'Package: st-a\nPin: version 1:1.1\nPin-Priority: 990\n');
    const { changes, jobToken } = await patch();
    await sh(node, 'rm /etc/apt/preferences.d/own /var/cache/apt/archives/*.deb');
    expect(changes).toEqual(['st-a 1:1.0 1:1.1', 'st-b 1.0 1.1']);
    const room = await ask(node, `sed -n 's/^room plan //p' /var/lib/ospatch/runs/${jobToken}-plan-*/result`);
    // One small package, in KiB.
    expect(room).toBe('1 250 300');
  });

  it('does not report simulated dpkg actions as installed', async () => {
    await makeState(node, `installed st-a 1.0 ''; mkpkg st-a 1.1 ''; index`);
    await sh(node, 'echo no-act >/etc/dpkg/dpkg.cfg.d/own');
    const run = await patch();
    const outcome = await run.apply();
    await sh(node, 'rm /etc/dpkg/dpkg.cfg.d/own');
    expect(outcome).toMatchObject({
      result: { error: { message: expect.stringContaining('but the packages are not installed') } },
    });
  });

  it('has one notation for foreign architectures, epochs, new, moved and removed packages', async () => {
    await sh(node, 'dpkg --add-architecture i386');
    await makeState(
      node,
      `arch=i386 installed st-old 1.0 ''; arch=amd64 installed st-lib 1:1.0 ''
       arch=amd64 mkpkg st-same 2:1.0 'Multi-Arch: same\\n'; arch=i386 mkpkg st-same 2:1.0 'Multi-Arch: same\\n'
       dpkg --force-unsafe-io -i $R/st-same_*.deb >/dev/null 2>&1; arch=all installed st-moves 1.0 ''
       arch=amd64 mkpkg st-same 2:1.1 'Multi-Arch: same\\n'; arch=i386 mkpkg st-same 2:1.1 'Multi-Arch: same\\n'
       arch=amd64 mkpkg st-moves 1.1 ''; mkpkg st-new 1.0 ''
       arch=amd64 mkpkg st-lib 1:2.0 'Breaks: st-old:any, st-old\\nDepends: st-new\\n'; index`,
    );
    const run = await patch({ allowRemovals: true });
    expect(run.changes).toEqual([
      'st-lib 1:1.0 1:2.0',
      'st-moves 1.0 1.1',
      'st-new null 1.0',
      'st-old 1.0 null',
      'st-same 2:1.0 2:1.1',
      'st-same 2:1.0 2:1.1',
    ]);
    expect(await run.apply()).toMatchObject({ state: 'done', result: { error: null } });
  });

  it('patches from the backports of its own release, and rejects those of another one', async () => {
    const about = (codename: string): string =>
      `'Origin: Debian Backports\\nLabel: Debian Backports\\nSuite: x-backports\\nCodename: ${codename}-backports\\nNotAutomatic: yes\\nButAutomaticUpgrades: yes\\n'`;
    const make = (codename: string): string => `installed st-a 1.0 ''; mkpkg st-a 1.1 ''; index ${about(codename)}`;
    await makeState(node, make('bookworm'));
    expect((await patch()).changes).toEqual(['st-a 1.0 1.1']);
    await makeState(node, make('trixie'));
    await expect(patch()).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('would leave release 12'),
    });
  });

  it('lists security fixes hidden by a default release, a pin or a hold, and fails where configured', async () => {
    const security =
      "'Origin: Debian\\nLabel: Debian-Security\\nSuite: oldstable-security\\nCodename: bookworm-security\\nVersion: 12\\n'";
    await makeState(node, `installed st-a 1.0 ''; rm $R/*.deb; mkpkg st-a 1.1 ''; index ${security}`);
    const hidden = async () => (await patch()).plan.warnings.map(({ message }) => message);
    const hiddenBy = (cause: string) => [expect.stringMatching(new RegExp(`st-a 1\\.1.*${cause}`))];
    expect(await hidden()).toEqual([]);
    write('preferences.d/own', 'Package: *\nPin: release l=Debian-Security\nPin-Priority: -1\n');
    expect(await hidden()).toEqual(hiddenBy('a pin'));
    // The pins of this policy precede those of the node, so that the fix is in the plan.
    expect((await patch({ only: 'security' })).changes).toEqual(['st-a 1.0 1.1']);
    await expect(patch({ onHidden: 'fail' })).rejects.toMatchObject({
      type: 'Policy',
      message: expect.stringContaining('st-a 1.1'),
    });
    await sh(node, 'rm /etc/apt/preferences.d/own; apt-mark hold st-a');
    expect(await hidden()).toEqual(hiddenBy('on hold'));
    await sh(node, 'apt-mark unhold st-a');
  });
});

/** A local archive that labels itself as Debian's security archive. */
async function offerSecurity(node: LabNode, packages: LabPackage[]): Promise<void> {
  const dir = path.join(node.rootDir, SECURITY_DIR);
  mkdirSync(dir, { recursive: true });
  for (const pkg of packages) await buildDeb(dir, pkg);
  await indexRepository(dir, ['Origin: Debian', 'Label: Debian-Security', 'Suite: oldstable-security', 'Version: 12']);
  writeFileSync(
    path.join(node.rootDir, 'etc/apt/sources.list.d/security.list'),
    `deb [trusted=yes] file:${SECURITY_DIR} ./\n`,
  );
}
