/** Package transactions that go on until a test has seen what it looks for. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode, LabPackage } from './local-stack';

/** On the node's disk, so that it can be opened from outside while the node is off or on its way down. */
const GATE = '/var/lib/lab/gate';

/** Ends after two minutes at the latest, so that a test that failed leaves no transaction behind. */
export const WAIT_AT_GATE = `for try in $(seq 600); do [ ! -e ${GATE} ] || break; sleep 0.2; done`;

/** Succeeds on a node while a package waits there; the brackets keep the command from finding itself. */
export const AT_BARRIER = "pgrep -f '[s]leep 0.2' >/dev/null";

/** An update of `lab-slow` that is not configured before the gate is open. */
export function barrierPackage(version: string): LabPackage {
  return { name: 'lab-slow', version, postinst: `[ "$1" != configure ] || [ -z "$2" ] || ${WAIT_AT_GATE}` };
}

export function openBarrier(node: LabNode): void {
  writeFileSync(path.join(node.rootDir, GATE), '');
}

export function closeBarrier(node: LabNode): void {
  rmSync(path.join(node.rootDir, GATE), { force: true });
}
