/** Reads a running node from outside, cheaply enough for many polls a second and without a login. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { LabNode } from '../support/local-stack';

const RUNS = 'var/lib/ospatch/runs';

/** Whether a job of `phase` on the node has this file: `parameters` = requested, `started` = running, `rc` = ended. */
export function jobHas(
  node: LabNode,
  phase: 'plan' | 'apply' | 'repair',
  file: 'parameters' | 'started' | 'rc',
): boolean {
  return jobsOf(node, phase).some((job) => existsSync(path.join(node.rootDir, RUNS, job, file)));
}

/** Ids of the jobs of `phase` on the node. */
export function jobsOf(node: LabNode, phase: string): string[] {
  const dir = path.join(node.rootDir, RUNS);
  return existsSync(dir) ? readdirSync(dir).filter((job) => job.split('-')[1] === phase) : [];
}

/** The files of all jobs, each under its name. */
export function jobLogs(node: LabNode): string[] {
  const runs = path.join(node.rootDir, RUNS);
  return (existsSync(runs) ? readdirSync(runs) : []).flatMap((job) => {
    const files = readdirSync(path.join(runs, job)).sort();
    const log = files.includes('log') ? readFileSync(path.join(runs, job, 'log'), 'utf8').slice(-5_000) : '';
    return [`==> job ${job}: ${files.join(' ')} <==`, log];
  });
}

export function dpkgLog(node: LabNode): string {
  return readFileSync(path.join(node.rootDir, 'var/log/dpkg.log'), 'utf8');
}

/** Whether a reboot was requested and the node is not down yet. */
export function rebootRequested(node: LabNode): boolean {
  const init = node.initPid;
  return init !== undefined && existsSync(`/proc/${init}/root/run/systemd/transient/ospatch-reboot.timer`);
}
