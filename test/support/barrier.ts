/** Package transactions that hang until a test has made its observations. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LabNode, LabPackage } from './local-stack';

/** A file on the node's disk, so that the barrier can be opened from outside while the node is off or shutting down. */
const BARRIER = '/var/lib/lab/barrier';

/** Ends after two minutes at the latest, so that a failed test leaves no transaction behind. */
export const WAIT_AT_BARRIER = `for try in $(seq 600); do [ ! -e ${BARRIER} ] || break; sleep 0.2; done`;

/** Succeeds on a node while a package waits there; the brackets keep pgrep from matching its own command. */
export const AT_BARRIER = "pgrep -f '[s]leep 0.2' >/dev/null";

/** An update of `lab-slow` that is not configured before the barrier is open. */
export function barrierPackage(version: string): LabPackage {
  return { name: 'lab-slow', version, postinst: `[ "$1" != configure ] || [ -z "$2" ] || ${WAIT_AT_BARRIER}` };
}

export function openBarrier(node: LabNode): void {
  writeFileSync(path.join(node.rootDir, BARRIER), '');
}

export function closeBarrier(node: LabNode): void {
  rmSync(path.join(node.rootDir, BARRIER), { force: true });
}
