/** The phase `restart`: restarts services that run outdated code, as far as the policy allows. */
import type { ErrorInfo } from '../domain/shared/errors';
import type { PhaseOutcome, RestartReport } from '../domain/node/report';
import type { RestartPolicy } from '../domain/spec/restart-policy';
import { plainText } from '../domain/shared/text';
import { followJob } from './job/follow';
import type { Session } from './session';
import type { JobNumber } from './transaction';

const WAIT_SECONDS = 5;

/** Limit on untrusted input; more than any real node reports. */
const MAX_LISTED = 100;
const MAX_REASON = 200;

/**
 * Restarts services, once per job number, whatever is killed. `drained`: nothing on the node is in use, so container
 * runtimes may be restarted too.
 */
export async function restartServices(
  session: Session,
  job: JobNumber,
  policy: RestartPolicy,
  drained: boolean,
  beginByMs?: number,
): Promise<PhaseOutcome<RestartReport>> {
  const end = await followJob(
    session,
    { ...job, phase: 'restart' },
    { restart: { policy, drained }, waitSeconds: WAIT_SECONDS, beginByMs },
    (line) => {
      const service = /^ospatch: (?:restarting|systemctl restart|rc-service) (\S+)/.exec(line)?.[1];
      if (service !== undefined) session.show({ waitingFor: `the restart of ${plainText(service, 80)}` });
    },
  );
  if (end.state === 'interrupted') return end;
  const report = parseRestartReport(end.result);
  return { state: 'done', result: { ...report, error: restartError(session.node.name, end.rc, report) } };
}

/** Parses the helper's report, one line each. */
export function parseRestartReport(text: string): Omit<RestartReport, 'error'> {
  const restarted: string[] = [];
  const skipped: RestartReport['skipped'] = [];
  const failed: RestartReport['failed'] = [];
  for (const line of text.split('\n').slice(0, MAX_LISTED * 10)) {
    const [, kind, rest = ''] = /^(restarted|skipped|failed|journal) (.*)$/.exec(line) ?? [];
    const [name = '', ...words] = plainText(rest, MAX_REASON + 100).split(' ');
    const reason = words.join(' ').slice(0, MAX_REASON);
    switch (kind) {
      case 'restarted':
        restarted.push(name);
        break;
      case 'skipped':
        skipped.push({ name, reason });
        break;
      case 'failed':
        failed.push({ name, reason, journal: [] });
        break;
      case 'journal':
        failed.at(-1)?.journal.push(plainText(rest, MAX_REASON));
        break;
      case undefined:
        break;
    }
  }
  return {
    restarted: restarted.filter((name) => !failed.some((one) => one.name === name)).slice(0, MAX_LISTED),
    skipped: skipped.slice(0, MAX_LISTED),
    failed: failed.slice(0, MAX_LISTED),
  };
}

function restartError(node: string, rc: number, { failed }: Omit<RestartReport, 'error'>): ErrorInfo | null {
  const [first] = failed;
  if (first === undefined) {
    if (rc === 0) return null;
    return {
      type: 'Unhealthy',
      message: `services on ${node} could not be restarted: the job exited with code ${rc}`,
      remedy: 'read the log of the job with `ospatch logs`',
    };
  }
  const said = first.journal.at(-1);
  const others =
    failed.length === 1
      ? ''
      : ` (and ${failed.length - 1} more: ${failed
          .slice(1, 5)
          .map(({ name }) => name)
          .join(', ')})`;
  return {
    type: 'Unhealthy',
    message: `${first.name} on ${node} did not come up after its restart: ${first.reason}${others}${said === undefined ? '' : `; output: ${said}`}`,
    remedy: `check \`systemctl status ${first.name}\` and \`journalctl -u ${first.name}\` on ${node}`,
    details: { failed },
  };
}
