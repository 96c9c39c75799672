/** Remains of killed dnf and zypper transactions, made on a node with the real tools, and their repair. */
import path from 'node:path';
import type { LabNode } from '../../../tools/lab/lab-node';
import { sh } from '../../support/sh';
import { ask, remoteNode, targetOf, until } from '../support';
import type { TransportPool } from '../../../src/ssh/transport';
import type { PatchRun, PatchRunner } from './patch-runner';
import type { LabRpm } from './rpm-lab';
import { build, installed, offer, withdraw } from './rpm-lab';
import { defined } from '../../../src/domain/shared/defined';

interface RpmStatesScenario {
  node: LabNode;
  pool: TransportPool;
  preflight: PatchRunner;
  /** Refreshes the metadata and upgrades everything. */
  upgrade: string;
  /** Makes the package manager find the pid of an unrelated process. */
  staleLock: string;
  /** Configuration that allows several versions of st-a side by side, and its file. */
  severalVersions: { file: string; lines: string };
}

/** Hangs while the package is to be killed there; logs its end. */
const hangUntilKilled = (name: string): string =>
  `if [ -e /run/hang ]; then echo $$ >/run/hung; while [ -e /run/hang ]; do sleep 0.1; done; fi; echo ${name} >>/run/ran`;

const KILL = `pkill -9 -x 'dnf|dnf5|zypper|rpm'; kill -9 $(cat /run/hung); rm -f /run/hang /run/hung`;

interface State {
  where: string;
  old?: LabRpm['scripts'];
  fresh: LabRpm['scripts'];
  /** State after the kill. */
  left: string[];
  /** Scripts that have completed in the end, in their order. */
  ran: string[];
}

const BOTH = ['st-a 1', 'st-a 2'];

/** Where an upgrade of st-a from 1 to 2 is killed. */
const STATES: State[] = [
  { where: '%pre of the new version', fresh: { pre: hangUntilKilled('pre') }, left: ['st-a 1'], ran: ['pre'] },
  { where: '%post of the new version', fresh: { post: hangUntilKilled('post') }, left: BOTH, ran: ['post'] },
  {
    where: '%postun of the old version',
    old: { postun: hangUntilKilled('postun') },
    fresh: { post: 'echo post >>/run/ran' },
    left: BOTH,
    ran: ['post', 'postun', 'post'],
  },
  { where: '%posttrans', fresh: { posttrans: hangUntilKilled('posttrans') }, left: ['st-a 2'], ran: ['posttrans'] },
];

export function describeRpmStates(scenarioOf: () => RpmStatesScenario): void {
  describe('a killed transaction', () => {
    const states = async (node: LabNode) => (await installed(node)).filter((line) => line.startsWith('st-'));
    const ran = async (node: LabNode) => (await ask(node, 'cat /run/ran 2>/dev/null')).split('\n').filter(Boolean);

    async function make(before: LabRpm[], after: LabRpm[]): Promise<void> {
      const { node } = scenarioOf();
      await sh(
        node,
        `rm -f /run/hang /run/hung; rpm -qa 'st-*' | xargs -r rpm -e --noscripts --nodeps 2>/dev/null; rm -rf /srv/states /srv/repo/st-* /run/ran /var/lib/ospatch/interrupted`,
      );
      await build(node, '/srv/states', before);
      await sh(node, 'rpm -U --nodeps /srv/states/*.rpm 2>/dev/null; rm -f /run/ran');
      await offer(node, ...after);
    }

    /** Runs `start` until a script hangs, and kills all its processes there. */
    async function killed(start: () => Promise<unknown>): Promise<void> {
      const { node } = scenarioOf();
      await sh(node, 'touch /run/hang');
      await start();
      await until('the script', async () => (await ask(node, 'cat /run/hung 2>/dev/null')) !== '');
      await sh(node, KILL);
    }

    /** Kills the apply of a run of ospatch. */
    async function killedApply(): Promise<PatchRun> {
      const { node, pool, preflight } = scenarioOf();
      const run = await preflight();
      await killed(() =>
        remoteNode(pool, targetOf(node)).start(
          { token: run.jobToken, phase: 'apply', number: 1 },
          { expect: run.plan.digest, packages: run.packages, waitSeconds: 0 },
        ),
      );
      return run;
    }

    const killedUpgrade = () =>
      killed(async () => {
        const { node, upgrade } = scenarioOf();
        await sh(node, `setsid sh -c '${upgrade}' </dev/null >/run/cut.log 2>&1 &`);
      });

    it.each(STATES)('in $where is completed, with all scripts', async ({ old, fresh, left, ran: expected }) => {
      const { node, preflight } = scenarioOf();
      await make(
        [{ name: 'st-a', version: '1', ...defined({ scripts: old }) }],
        [{ name: 'st-a', version: '2', ...defined({ scripts: fresh }) }],
      );
      const run = await killedApply();
      expect(await run.apply()).toMatchObject({ state: 'done', result: { unfinished: true } });
      expect(await states(node)).toEqual(left);
      const repaired = await run.repair();
      expect(repaired).toMatchObject({ state: 'done', result: { error: null } });
      const again = await preflight({}, run.jobToken, 2);
      expect(again.facts.packages.problems).toEqual([]);
      if (again.plan.changes.length > 0) {
        expect(await again.apply()).toMatchObject({ state: 'done', result: { error: null } });
      }
      expect(await states(node)).toEqual(['st-a 2']);
      expect(await ran(node)).toEqual(expected);
    });

    it('in the script of a new package is completed by the next run', async () => {
      const { node, preflight } = scenarioOf();
      await make(
        [{ name: 'st-a', version: '1' }],
        [
          { name: 'st-a', version: '2', header: ['Requires: st-new'] },
          { name: 'st-new', version: '1', post: hangUntilKilled('post') },
        ],
      );
      await killedApply();
      const { facts } = await preflight();
      expect(facts.packages.problems).toEqual([]);
      expect(await ran(node)).toEqual(['post']);
      expect(await states(node)).toContain('st-new 1');
    });

    it('of somebody else is completed, once the version is available again', async () => {
      const { node, preflight } = scenarioOf();
      const fresh = { name: 'st-a', version: '2', post: hangUntilKilled('post') };
      await make([{ name: 'st-a', version: '1' }], [fresh]);
      await killedUpgrade();
      await withdraw(node, 'st-a');
      // zypper installs from this file, with or without a repository.
      await sh(node, 'rm -rf /var/cache/zypp/packages/*');
      const isRefused = async () => {
        await expect(preflight()).rejects.toMatchObject({
          type: 'PackagesBroken',
          message: expect.stringContaining('no package source has st-a 2-1, whose installation was interrupted'),
          remedy: expect.stringContaining('rpm -U --replacepkgs FILE'),
        });
      };
      await isRefused();
      await isRefused();
      expect(await states(node)).toEqual(['st-a 2']);
      await offer(node, fresh);
      await preflight();
      expect(await ran(node)).toEqual(['post']);
    });

    it('is not suspected in a package that the administrator keeps in several versions', async () => {
      const { node, preflight, severalVersions } = scenarioOf();
      await make([{ name: 'st-a', version: '1' }], [{ name: 'st-a', version: '2' }]);
      const { file, lines } = severalVersions;
      await sh(
        node,
        `rm -f /root/own.conf; [ ! -e ${file} ] || cp -p ${file} /root/own.conf
        mkdir -p ${path.dirname(file)}; printf '[main]\\n${lines}\\n' >${file}
        rpm -i --nodeps /srv/repo/st-a-2*.rpm`,
      );
      const { facts } = await preflight();
      await sh(node, `rm ${file}; [ ! -e /root/own.conf ] || mv /root/own.conf ${file}`);
      expect(facts.packages.problems).toEqual([]);
      expect(await states(node)).toEqual(BOTH);
    });

    it('is completed by a newer version as well', async () => {
      const { node, preflight } = scenarioOf();
      await make([{ name: 'st-a', version: '9' }], [{ name: 'st-a', version: '10', post: hangUntilKilled('post') }]);
      await killedUpgrade();
      await withdraw(node, 'st-a');
      await offer(node, { name: 'st-a', version: '11' });
      const { apply, changes } = await preflight();
      expect(changes).toContain('st-a 10-1 11-1');
      expect(await apply()).toMatchObject({ state: 'done', result: { error: null } });
      expect((await preflight()).facts.packages.problems).toEqual([]);
    });

    it('has a reused pid, for which nothing waits', async () => {
      const { node, preflight, staleLock } = scenarioOf();
      await make([{ name: 'st-a', version: '1' }], [{ name: 'st-a', version: '2' }]);
      await sh(node, staleLock);
      expect((await preflight()).changes).toContain('st-a 1-1 2-1');
    });

    /** Damages a page of the database so that rpm complains, and reads as many packages as before or none. */
    async function losePage(packages: 'all' | 'none'): Promise<string[]> {
      const { node } = scenarioOf();
      await make([{ name: 'st-a', version: '1' }], [{ name: 'st-a', version: '2' }]);
      const before = await installed(node);
      await sh(
        node,
        `rm -rf /root/rpm.good; cp -a /var/lib/rpm /root/rpm.good
        for page in $(seq 1 12); do
          dd if=/dev/zero of=/var/lib/rpm/rpmdb.sqlite bs=4096 seek=$page count=1 conv=notrunc 2>/dev/null
          left=$(rpm -qa 2>/root/said | wc -l)
          if grep -q malformed /root/said && [ $left = ${packages === 'all' ? before.length : 0} ]; then exit 0; fi
          rm -rf /var/lib/rpm; cp -a /root/rpm.good /var/lib/rpm
        done; exit 1`,
      );
      return before;
    }

    it('has a damaged index of the rpm database rebuilt', async () => {
      const { node, preflight } = scenarioOf();
      const before = await losePage('all');
      expect((await preflight()).changes).toContain('st-a 1-1 2-1');
      expect(await installed(node)).toEqual(before);
    });

    it('leaves an rpm database alone that would lose packages in a rebuild', async () => {
      const { node, preflight } = scenarioOf();
      const before = await losePage('none');
      const sum = await ask(node, 'cksum </var/lib/rpm/rpmdb.sqlite');
      await expect(preflight()).rejects.toMatchObject({
        type: 'PackagesBroken',
        message: expect.stringMatching(/rpm database cannot be read.*malformed.*would lose packages/),
        remedy: expect.stringContaining('restore the rpm database'),
      });
      expect(await ask(node, 'cksum </var/lib/rpm/rpmdb.sqlite; ls -d /var/lib/rpmreb* 2>/dev/null')).toBe(sum);
      await sh(node, 'rm -rf /var/lib/rpm; cp -a /root/rpm.good /var/lib/rpm');
      expect(await installed(node)).toEqual(before);
    });
  });
}
