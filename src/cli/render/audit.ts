/** Output of `audit verify`: one line for each request, then what is wrong, then the count. */
import type { AuditReport, AuditedRequest } from '../../client/audit';
import { plural } from '../../domain/shared/plural';
import type { Colors } from './table';
import { renderTable } from './table';
import { oneLine } from './text';

export function renderAudit(
  { requests, problems, executions, chain }: AuditReport,
  isSound: boolean,
  color: Colors,
): string {
  const rows = requests.map((one) => [
    one.at,
    `${oneLine(one.request)} (${one.via})`,
    whoOf(one, color),
    one.decision === 'none' ? color.dim('no answer') : one.decision,
    one.message === null ? '' : oneLine(one.message, 300),
  ]);
  const list = rows.length === 0 ? [] : [renderTable(['time', 'request', 'by', 'worker', 'message'], rows, color)];
  const wrong = problems.map((problem) => `${color.red('problem')}: ${oneLine(problem, 500)}`);
  const invalid = requests.filter(({ verdict }) => verdict === 'invalid').length;
  const verified = requests.filter(({ verdict }) => verdict === 'verified').length;
  const counted = `${plural(requests.length, 'request')} in ${plural(executions, 'history').replace(/historys$/, 'histories')}, ${verified} verified`;
  const summary = isSound
    ? `${counted}; nothing was changed or left out; the last link of the chain is ${chain === '' ? 'none' : chain.slice(0, 16)}`
    : color.red(`${counted}; ${invalid} invalid, ${plural(problems.length, 'problem')}`);
  return [...list, ...wrong, summary].join('\n');
}

function whoOf({ verdict, principal, by }: AuditedRequest, color: Colors): string {
  const name = oneLine(principal ?? by ?? 'nobody named');
  switch (verdict) {
    case 'verified':
      return `${name} (verified)`;
    case 'unsigned':
      return `${name} (unsigned)`;
    case 'unknown':
      return `${name} (not on the list)`;
    case 'unreadable':
      return color.yellow('unreadable here');
    case 'invalid':
      return color.red(`${name} (INVALID)`);
  }
}
