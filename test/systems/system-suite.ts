/** The whole product on one system: server, worker, command line, and a node of that system. */
import { defined } from '../../src/domain/shared/defined';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { RunReport } from '../../src/client/cluster-client';
import type { ClusterHistory } from '../../src/domain/cluster/messages';
import { installerScript } from '../../src/node/installer';
import { helperScript } from '../../src/node/helper/script';
import type { SudoersForm } from '../../src/node/sudoers';
import { sudoersRule } from '../../src/node/sudoers';
import type { Stack } from '../e2e/stack';
import { startStack } from '../e2e/stack';
import { AT_BARRIER, closeBarrier, barrierPackage, openBarrier } from '../support/barrier';
import type { LabNode, LabNodeOptions } from '../support/local-stack';
import { LAB_USER, slowPackage } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { sh } from '../support/sh';
import { waitFor } from '../support/wait-for';
import type { TableRow } from './table';
import { tableRow } from './table';
import { nodePatch } from '../support/members';

export interface System {
  /** Name of the node and of its cluster. */
  name: string;
  /** Name of the system in the table. */
  title: string;
  node?: Omit<LabNodeOptions, 'name'>;
  /** The release that the node identifies as: a system without a release number is rejected. */
  release?: string;
  /** The narrow rules that its sudo supports. */
  rules: readonly SudoersForm[];
}

/** Commands and paths that differ per package manager. */
interface Manager {
  /** Prints nothing when nothing is broken or pending. */
  isClean: string;
  /** Succeeds while lab-slow waits at the barrier, during its transaction. */
  isAtBarrier: string;
  /** Prints the number of upgrades of lab-slow. */
  transactions: string;
  /** Prints `1.2` when that version of lab-slow is installed. */
  slowVersion: string;
  /** Text in the log of a job that has upgraded lab-slow to 1.2. */
  logged: string;
}

const APT: Manager = {
  isClean: 'dpkg --audit; apt-get -s dist-upgrade | grep ^Inst || :',
  // Unpacked, and held before configuration.
  isAtBarrier: "dpkg -l lab-slow | grep -q '^iF'",
  transactions: "grep -c '^Commandline: .*dist-upgrade' /var/log/apt/history.log || :",
  slowVersion: "dpkg-query -W -f '${Status} ${Version}' lab-slow | sed -n 's/^install ok installed //p'",
  logged: 'lab-slow (1.2)',
};

const APK: Manager = {
  isClean: 'apk list --upgradable 2>/dev/null; find / -xdev -name ".apk.*" | grep -v ^/proc || :',
  isAtBarrier: AT_BARRIER,
  transactions: "grep -c 'Upgrading lab-slow' /var/log/apk.log || :",
  slowVersion: "apk list --installed lab-slow 2>/dev/null | sed 's/^lab-slow-//; s/ .*//'",
  logged: 'Upgrading lab-slow (1.1 -> 1.2)',
};

/** Runs every step on each system; the results form the table of `make test-systems`. */
export function describeSystems(systems: readonly System[]): void {
  let stack: Stack;

  beforeAll(async () => {
    const nodes = systems.map(({ name, node }): LabNodeOptions => {
      const labUpdates = [{ from: slowPackage('1.0', 0), to: barrierPackage('1.1') }];
      return { name, updates: 'few', labReboot: true, labUpdates, ...node };
    });
    stack = await startStack(nodes);
  });

  afterAll(() => stack?.stop());

  describe.each(systems)('$title', (system) => {
    const { name, rules, release } = system;
    const manager = system.node?.system === 'alpine' ? APK : APT;
    let node: LabNode;
    let row: TableRow;

    beforeAll(() => {
      node = stack.lab.node(name);
      row = tableRow(system.title, node);
    });

    afterAll(() => row?.end());

    /** A test whose result appears in the table. */
    function step(what: string, work: () => Promise<void>): void {
      it(what, () => row.step(what, work));
    }

    async function lastRecord(): Promise<RunReport['nodes'][number]['record']> {
      const history = JSON.parse((await stack.cli('history', name, '-o', 'json')).stdout) as ClusterHistory;
      const number = String(history.runs.at(-1)?.number);
      const report = JSON.parse((await stack.cli('history', name, '--run', number, '-o', 'json')).stdout) as RunReport;
      return report.nodes[0]?.record ?? null;
    }

    function spec(ssh?: string): string {
      return stack.writeSpec({ name, patching: '{rebootIfRequired: true}', nodes: [name], ...defined({ ssh }) });
    }

    if (release !== undefined) {
      step('refused without a release', async () => {
        const file = spec();
        ok(await stack.cli('enroll', '-f', file, '--yes'));
        const doctor = await stack.cli('doctor', '-f', file);
        expect(doctor.code).toBe(1);
        expect(`${doctor.stdout}${doctor.stderr}`).toMatch(/has no release number and so no patch versions/);
        await sh(node, `echo 'VERSION_ID="${release}"' >>/etc/os-release`);
      });
    }

    step('enroll and doctor', async () => {
      const file = spec();
      ok(await stack.cli('enroll', '-f', file, '--yes'));
      ok(await stack.cli('apply', '-f', file));
      ok(await stack.cli('doctor', '-f', file));
    });

    step('check', async () => {
      const { code, stdout } = await stack.cli('check', name, '-o', 'json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject([{ node: name, error: null, pending: expect.any(Number) as number }]);
    });

    step('patch and reboot', async () => {
      openBarrier(node);
      const before = node.bootCount;
      ok(await stack.cli('patch', name, '--wait'));
      const record = nodePatch(await lastRecord());
      expect(record).toMatchObject({ outcome: 'patched', reboots: 1, error: null });
      // Two of the lab, and real updates of Debian where they belong to a release.
      expect(record.changes.length).toBeGreaterThanOrEqual(system.node?.updates === 'none' ? 2 : 4);
      expect(record.changes).toContainEqual(expect.objectContaining({ name: 'lab-reboot', from: '1.0', to: '1.1' }));
      expect(node.bootCount).toBe(before + 1);
      expect(await sh(node, manager.transactions)).toBe('1');
      expect(await sh(node, manager.isClean)).toBe('');
    });

    step('up to date', async () => {
      ok(await stack.cli('patch', name, '--wait'));
      expect(await lastRecord()).toMatchObject({ outcome: 'up-to-date', changes: [], reboots: 0 });
      expect(await sh(node, manager.transactions)).toBe('1');
    });

    step('power cut and repair', async () => {
      closeBarrier(node);
      await node.offer(barrierPackage('1.2'));
      const run = stack.cli('patch', name, '--wait');
      await waitFor(async () => (await node.exec(manager.isAtBarrier)).code === 0, {
        what: 'the package to reach the barrier',
        timeoutMs: 120_000,
      });
      await node.powerCut();
      openBarrier(node);
      node.start();
      ok(await run);
      expect(await lastRecord()).toMatchObject({ outcome: 'patched', error: null });
      expect(await sh(node, manager.isClean)).toBe('');
      expect(await sh(node, manager.slowVersion)).toBe('1.2');
    });

    step('logs', async () => {
      const log = await stack.cli('logs', name, name);
      expect(log).toMatchObject({ code: 0 });
      expect(log.stdout).toContain(manager.logged);
    });

    for (const form of rules) {
      step(`narrow rule: ${form}`, async () => {
        const version = `2.${rules.indexOf(form)}`;
        const { text, file } = sudoersRule(helperScript(), LAB_USER, form);
        writeFileSync(path.join(node.rootDir, 'root/install-helper'), installerScript(helperScript()));
        writeFileSync(path.join(node.rootDir, 'root/rule'), text);
        await sh(
          node,
          form === 'doas'
            ? // Debian's doas, which the lab has, reads one file.
              `sh /root/install-helper && install -m 0400 /root/rule /etc/doas.conf && mv /usr/bin/sudo /root/sudo`
            : `sh /root/install-helper && visudo -cf /root/rule && install -m 0440 /root/rule ${file} &&
                mv /etc/sudoers.d/ospatch /root/general-rule`,
        );
        try {
          await node.offer({ name: 'lab-reboot', version, postinst: 'echo x >/run/reboot-required' });
          const before = node.bootCount;
          const spec1 = spec('helper: preinstalled');
          ok(await stack.cli('apply', '-f', spec1));
          ok(await stack.cli('doctor', '-f', spec1));
          ok(await stack.cli('patch', name, '--wait'));
          expect(await lastRecord()).toMatchObject({
            outcome: 'patched',
            reboots: 1,
            changes: [expect.objectContaining({ name: 'lab-reboot', to: version })],
          });
          expect(node.bootCount).toBe(before + 1);
        } finally {
          await sh(
            node,
            form === 'doas'
              ? 'mv /root/sudo /usr/bin/sudo; rm -f /etc/doas.conf'
              : `mv /root/general-rule /etc/sudoers.d/ospatch; rm -f ${file}`,
          );
        }
      });
    }
  });
}

/** The output of a command is the only clue to a failure on one system. */
function ok({ code, stdout, stderr }: CliResult): void {
  if (code !== 0) throw new Error(`ospatch ended with ${code}: ${stderr}${stdout}`);
}
