import type { LabNode } from '../../../tools/lab/lab-node';
import type { PackagePolicy } from '../../../src/domain/spec/package-policy';
import { ask } from '../support';
import { useAptNode } from './apt-node';
import { makeState, states } from './dpkg-states';
import type { PatchRunner } from './patch-runner';

jest.setTimeout(240_000);

/** One case of each kind. */
const QUICK =
  /^a removal in its postrm|^a new package .* in the cache|of an excluded package, which|that was cut off|^an entry of the journal/;
const QUICK_UPGRADES = ['the new preinst', 'the old postrm, after its files were unpacked'];

const OLD = "installed st-a 1.0 ''";
/** In the middle of an upgrade of st-a from 1.0 to 1.1, in one of the four scripts. */
const UPGRADES: Record<string, string> = {
  'the old prerm': `installed st-a 1.0 '' prerm "$HANG"; mkpkg st-a 1.1 ''`,
  'the new preinst': `${OLD}; mkpkg st-a 1.1 '' preinst "$HANG"`,
  'the old postrm, after its files were unpacked': `installed st-a 1.0 '' postrm "$HANG"; mkpkg st-a 1.1 ''`,
  'the new postinst': `${OLD}; mkpkg st-a 1.1 '' postinst "$HANG"`,
};
const CUT = 'index; killed apt-get -y -q install st-a';
const REMOVAL = `installed st-a 1.0 '' postrm "$HANG" conffile /etc/st-a.conf; index`;

interface State {
  title: string;
  make: string;
  policy?: Partial<PackagePolicy>;
  /** dpkg's status before preflight. */
  before: string[];
  /** dpkg's status after preflight. */
  after: string[];
}

const HALF = /^i[HF]R? ?st-a 1\.0$|^iHR st-a 1\.0$|^iFR st-a 1\.0$/;

/** The states in which dpkg can stop, and the state before the plan. */
const STATES: State[] = [
  {
    title: 'a new package in its preinst',
    make: `mkpkg st-a 1.0 '' preinst "$HANG"; ${CUT}`,
    before: ['iHR st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'a new package in its preinst that has gone from the archive and is still in the cache',
    make: `mkpkg st-a 1:1.0 '' preinst "$HANG"; ${CUT}; cp $R/st-a_1.0_all.deb /var/cache/apt/archives/st-a_1%3a1.0_all.deb; gone 'st-a_*'`,
    before: ['iHR st-a 1:1.0'],
    after: ['ii st-a 1:1.0'],
  },
  {
    title: 'a removal in its postrm',
    make: `${REMOVAL}; killed apt-get -y remove st-a`,
    before: ['rH st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'a removal where removals are allowed',
    make: `${REMOVAL}; killed apt-get -y remove st-a`,
    policy: { allowRemovals: true },
    before: ['rH st-a 1.0'],
    after: ['rc st-a 1.0'],
  },
  {
    title: 'a purge in its postrm',
    make: `${REMOVAL}; killed dpkg --purge st-a`,
    before: ['pH st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'a purge of an excluded package, where removals are allowed',
    make: `${REMOVAL}; killed dpkg --purge st-a`,
    policy: { allowRemovals: true, exclude: ['st-*'] },
    before: ['pH st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'an upgrade of an excluded package, which stays in its version',
    make: `${OLD}; mkpkg st-a 1.1 '' preinst "$HANG"; ${CUT}`,
    policy: { exclude: ['st-a'] },
    before: ['iHR st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'a trigger',
    make: `installed st-a 1.0 '' triggers 'interest st-file' postinst "[ \\$1 != triggered ] || { $HANG; }"
      mkpkg st-b 1.0 '' triggers 'activate st-file'; index; killed apt-get -y -q install st-b`,
    before: ['iF st-a 1.0', 'ii st-b 1.0'],
    after: ['ii st-a 1.0', 'ii st-b 1.0'],
  },
  {
    title: 'two packages of one source that need each other in the same version',
    make: `installed st-a 1.0 '' postrm "$HANG"; installed st-b 1.0 'Depends: st-a (= 1.0)\\n'
      mkpkg st-a 1.1 ''; mkpkg st-b 1.1 'Depends: st-a (= 1.1)\\n'; index; killed apt-get -y -q dist-upgrade`,
    before: ['iHR st-a 1.0', 'iU st-b 1.1'],
    after: ['ii st-a 1.1', 'ii st-b 1.1'],
  },
  {
    title: 'a list of files that is lost',
    make: `${OLD}; index; rm /var/lib/dpkg/info/st-a.list`,
    before: ['ii st-a 1.0'],
    after: ['ii st-a 1.0'],
  },
  {
    title: 'a list of files that was cut off',
    make: `installed st-a 1.0 ''; mkpkg st-b 1.0 '' postinst "$HANG"; index; killed apt-get -y -q install st-b; cd /var/lib/dpkg/info; printf '/.\\n/op' >st-a.list`,
    before: ['iF st-b 1.0', 'ii st-a 1.0'],
    after: ['ii st-a 1.0', 'ii st-b 1.0'],
  },
  {
    title: 'an entry of the journal that is full of zeros',
    make: `${OLD}; index; head -c 300 /dev/zero >/var/lib/dpkg/updates/0003`,
    before: [],
    after: ['ii st-a 1.0'],
  },
];

/** `all`: every state; otherwise one of each kind. */
export function describeStates({ all }: { all: boolean }): void {
  describe('src/node/package-managers/apt after an interruption', () => {
    let node: LabNode;
    let patch: PatchRunner;

    useAptNode('states', (made) => ({ node, patch } = made));

    for (const [script, make] of Object.entries(UPGRADES)) {
      if (!all && !QUICK_UPGRADES.includes(script)) continue;
      it.each([['still has'], ['no longer has']])(
        `completes an upgrade that was killed in ${script}, when the archive %s the old version`,
        async (has) => {
          const gone = has === 'still has' ? '' : "gone 'st-a_1.0*'; ";
          await makeState(node, `${make}; ${gone}${CUT}`);
          expect((await states(node))[0]).toMatch(script === 'the new postinst' ? /^iF st-a 1\.1$/ : HALF);
          const run = await patch();
          expect(await run.apply()).toMatchObject({ state: 'done', result: { error: null } });
          expect(await states(node)).toEqual(['ii st-a 1.1']);
          expect(await ask(node, 'dpkg --audit; ls /var/lib/dpkg/updates; cat /opt/st-a/file')).toBe('st-a 1.1');
        },
      );
    }

    it.each(STATES.filter(({ title }) => all || QUICK.test(title)))(
      'repairs $title',
      async ({ make, policy, before, after }) => {
        await makeState(node, make);
        expect(await states(node)).toEqual(before);
        const { plan, facts } = await patch(policy);
        expect(await states(node)).toEqual(after);
        expect(facts.packages.problems).toEqual([]);
        expect(plan.changes.filter(({ to }) => to === null)).toEqual([]);
        expect(await ask(node, 'dpkg --audit')).toBe('');
      },
    );

    it('names the remedy when no version of a half-installed package is available, and continues once one is', async () => {
      await makeState(node, `${OLD}; mkpkg st-a 1.1 '' preinst "$HANG"; ${CUT}; gone 'st-a_*'`);
      await expect(patch()).rejects.toMatchObject({
        type: 'PackagesBroken',
        message: expect.stringMatching(/st-a is not fully installed \(iHR\).*in a package source/),
        remedy: expect.stringContaining('dpkg -i'),
      });
      await ask(node, 'mv /root/away/st-a_1.1_all.deb /var/lib/lab/states; . /var/lib/lab/states.sh; index');
      expect((await patch()).plan.changes).toEqual([]);
      expect(await states(node)).toEqual(['ii st-a 1.1']);
    });

    it('tolerates a lost file list that no package source can restore', async () => {
      await makeState(node, `${OLD}; gone 'st-a_*'; rm /var/lib/dpkg/info/st-a.list`);
      const { facts } = await patch();
      expect(facts.packages.problems).toEqual([]);
      expect(facts.warnings).toMatchObject([{ message: expect.stringContaining('list of files of st-a 1.0') }]);
    });
  });
}
