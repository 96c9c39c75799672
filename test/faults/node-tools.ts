/** Manual interventions of faults on a node, over SSH as root or in its file tree. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode, LabNodeOptions, LabPackage } from '../support/local-stack';
import { buildDeb } from '../support/local-stack';
import { sh } from '../support/sh';
import { waitFor } from '../support/wait-for';
import { dpkgLog } from './node-view';
import type { Scenario } from './scenario';

/** Boots fast and has one small update, for faults in which packages do not matter. */
export const SMALL_NODE: Omit<LabNodeOptions, 'name'> = {
  updates: 'none',
  labUpdates: [{ from: { name: 'lab-small', version: '1.0' }, to: { name: 'lab-small', version: '1.1' } }],
};

/** Installs a package of the lab, as if long before the run. */
export async function install(node: LabNode, pkg: LabPackage): Promise<void> {
  const file = await buildDeb(path.join(node.rootDir, 'var/tmp'), pkg);
  await sh(node, `dpkg --force-unsafe-io -i /var/tmp/${file} && rm /var/tmp/${file}`);
  forgetTransactions(node);
}

/** Installs `name` in version 1.0 and publishes 1.1; `from` and `to` are the differences. */
export async function pendingUpdate(
  node: LabNode,
  name: string,
  to: Partial<LabPackage>,
  from: Partial<LabPackage> = {},
): Promise<void> {
  await install(node, { name, version: '1.0', ...from });
  await node.offer({ name, version: '1.1', ...to });
}

/** Marks that the package was slow: once only, so that the repair is fast. */
export const SLOW_DONE = '/var/lib/lab-slow-done';

/** Unpacking or configuring these takes long enough for a fault in the middle, also on a machine that stalls for seconds. */
const SLOW = `[ "$1" != upgrade ] && [ -z "$2" ] || [ -e ${SLOW_DONE} ] || { touch ${SLOW_DONE}; sleep 20; }`;

/** The archive keeps the old version, as for every stable package with a security fix, unless `old` is gone. */
export async function slowToUnpack(scenario: Scenario, old: 'offered' | 'gone' = 'offered'): Promise<void> {
  if (old === 'offered') await scenario.node.offer({ name: 'lab-unpack', version: '1.0' });
  await pendingUpdate(scenario.node, 'lab-unpack', { preinst: SLOW });
}

export async function slowToConfigure(scenario: Scenario): Promise<void> {
  await pendingUpdate(scenario.node, 'lab-configure', { postinst: SLOW });
}

/** Waits until dpkg has begun with the slow package, and some seconds more. */
export async function inTheMiddle(scenario: Scenario, of: 'unpack' | 'configure'): Promise<void> {
  const started = of === 'unpack' ? / upgrade lab-unpack/ : / configure lab-configure/;
  await waitFor(() => started.test(dpkgLog(scenario.node)), { what: `the ${of}`, timeoutMs: 240_000, pollMs: 50 });
  await new Promise((resolve) => {
    setTimeout(resolve, scenario.random.between(0, 3_000));
  });
  scenario.moment = `during ${of}`;
}

/** Begins a patch with a package that is slow in one step, and returns in the middle of that step. */
export async function patchInto(
  scenario: Scenario,
  step: 'unpack' | 'configure',
  old?: 'offered' | 'gone',
): Promise<void> {
  await (step === 'unpack' ? slowToUnpack(scenario, old) : slowToConfigure(scenario));
  await scenario.patch();
  await inTheMiddle(scenario, step);
}

/** Empties the package logs, so that only later entries count. */
export function forgetTransactions(node: LabNode): void {
  for (const log of ['apt/history.log', 'dpkg.log']) writeFileSync(path.join(node.rootDir, 'var/log', log), '');
}

/** Writes a file of the node. */
export function write(node: LabNode, file: string, text: string): void {
  writeFileSync(path.join(node.rootDir, file), text);
}

export function remove(node: LabNode, file: string): void {
  rmSync(path.join(node.rootDir, file), { force: true });
}

/** Sets options of the SSH server, replacing those of the lab. */
export async function configureSshd(node: LabNode, settings: Record<string, string>): Promise<void> {
  const file = path.join(node.rootDir, 'etc/ssh/sshd_config.d/lab.conf');
  const others = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !((line.split(' ')[0] ?? '') in settings));
  const own = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  writeFileSync(file, [...own, ...others].join('\n'));
  await sh(node, 'systemctl restart ssh');
}

/** Kills like the kernel when memory runs out: at once, without a message. */
export async function killJob(node: LabNode, which: 'all' | 'dpkg' | 'apt-get' | 'helper'): Promise<void> {
  const procs =
    '$(cat /sys/fs/cgroup/*/system.slice/ospatch-job.service/cgroup.procs ' +
    '/sys/fs/cgroup/system.slice/ospatch-job.service/cgroup.procs 2>/dev/null | sort -u)';
  const named = `for pid in ${procs}; do [ "$(cat /proc/$pid/comm)" = ${which} ] && echo $pid; done | head -n 1`;
  const main = 'systemctl show -p MainPID --value ospatch-job.service';
  const pids = which === 'all' ? procs : which === 'helper' ? `$(${main})` : `$(${named})`;
  await sh(node, `kill -9 ${pids}`);
}

/** The wait of the node in the status. */
export async function waitingFor(scenario: Scenario): Promise<string | null> {
  const { current } = await scenario.status();
  return current[0]?.waitingFor ?? null;
}
