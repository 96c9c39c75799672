/** The inspection after nodes were prepared. */
import { setTimeout } from 'node:timers/promises';
import type { CliContext } from '../../io/context';
import { printNote } from '../../io/output';
import type { DoctorReport } from '../doctor/diagnose';

/** The first pauses of a worker after rejected logins are shorter. */
const LOGIN_PAUSE_LIMIT_MS = 60_000;
const LOGIN_PAUSE_STEP_MS = 5_000;

export interface Inspected {
  report: DoctorReport;
  hasWorker: boolean;
}

/**
 * A worker that was refused by a node before its key was placed there waits before it logs in again, so that sshd does not
 * ban its address: what it says of such a node is of the past.
 */
export async function settled(
  context: CliContext,
  prepared: readonly string[],
  inspect: () => Promise<Inspected>,
  sleep: (ms: number) => Promise<unknown> = setTimeout,
): Promise<Inspected> {
  const until = context.now() + LOGIN_PAUSE_LIMIT_MS;
  for (let isFirst = true; ; isFirst = false) {
    const found = await inspect();
    const nodes = found.report.clusters.flatMap((one) => one.nodes);
    const refused = nodes.filter(
      ({ node, findings }) =>
        prepared.includes(node) && findings.some(({ check, severity }) => check === 'login' && severity === 'error'),
    );
    if (!found.hasWorker || refused.length === 0 || context.now() > until) return found;
    if (isFirst)
      printNote(
        context,
        `${refused.map(({ node }) => node).join(', ')} refused the key of the worker before it was placed; the worker logs in again within a minute ...`,
      );
    await sleep(LOGIN_PAUSE_STEP_MS);
  }
}
