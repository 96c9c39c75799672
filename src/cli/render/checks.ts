/** The table of `check`: the inspection of every node. */
import type { NodeInspection } from '../../domain/inspection/node';
import type { ErrorType } from '../../domain/shared/errors';
import { wrapIndented } from './columns';
import { paint as paintSeverity } from './status-line';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, oneLine } from './text';
import { plural } from '../../domain/shared/plural';
import { asSentence } from '../../domain/shared/text';

type Verdict = 'yes' | 'no' | '?';

/**
 * Progress of an inspection that ended with this error: reached, logged in, root; everything after the error is
 * unknown.
 */
const REACHED: Partial<Record<ErrorType, readonly [Verdict, Verdict, Verdict]>> = {
  Unreachable: ['no', '?', '?'],
  HostKeyMismatch: ['yes', 'no', '?'],
  AuthFailed: ['yes', 'no', '?'],
  IdentityUnavailable: ['?', 'no', '?'],
  SudoDenied: ['yes', 'yes', 'no'],
  UnsupportedOs: ['yes', 'yes', 'yes'],
  HelperMissing: ['yes', 'yes', 'yes'],
  HelperProtocol: ['yes', 'yes', 'yes'],
};

const MAX_LINE = 600;

/** One row per node; below the table each finding that is not ok, with its remedy. */
export function renderChecks(nodes: readonly NodeInspection[], color: Colors): string {
  const drains = nodes.some(({ drain }) => drain !== null);
  const head = ['Node', 'Reachable', 'Login', 'Root', 'OS', 'Pending', 'Reboot', ...(drains ? ['Drain'] : [])];
  const table = renderTable(
    head,
    nodes.map((node) => [...row(node, color), ...(drains ? [drainCell(node, color)] : [])]),
    color,
  );
  const findings = nodes.flatMap((node) => describeFindings(node, color));
  const usable = nodes.filter(({ verdict }) => verdict !== 'error').length;
  const summary = `${usable} of ${plural(nodes.length, 'node')} can be patched`;
  const parts = [table, ...(findings.length > 0 ? [findings.join('\n')] : []), summary];
  return wrapIndented(parts.join('\n\n'), color.columns);
}

function row({ node, facts, error, os, pending }: NodeInspection, color: Colors): string[] {
  const all: Verdict = facts === null ? '?' : 'yes';
  const verdicts = (error === null ? undefined : REACHED[error.type]) ?? [all, all, all];
  const reboot = facts === null ? NONE : facts.reboot.required ? color.yellow('required') : 'no';
  return [
    oneLine(node),
    ...verdicts.map((verdict) => paint(verdict, color)),
    os === null ? NONE : oneLine(os, 60),
    pending === null ? NONE : String(pending),
    reboot,
  ];
}

function paint(verdict: Verdict, color: Colors): string {
  return verdict === 'yes' ? color.green(verdict) : verdict === 'no' ? color.red(verdict) : verdict;
}

function describeFindings({ node, findings }: NodeInspection, color: Colors): string[] {
  return findings
    .filter(({ severity }) => severity !== 'ok')
    .flatMap(({ severity, message, remedy }) => {
      const line = `${paintSeverity(severity, color)(oneLine(node))}  ${severity}: ${asSentence(oneLine(message, MAX_LINE))}`;
      return remedy === null ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(remedy, MAX_LINE)}`];
    });
}

function drainCell({ drain }: NodeInspection, color: Colors): string {
  if (drain === null) return NONE;
  if (!drain.ok) return color.red('?');
  const { blockers, pending, evict, cordonedBy } = drain.preview;
  if (blockers.length > 0) return color.red('blocked');
  const pods = `${plural(evict, 'pod')}${cordonedBy === 'nobody' ? '' : `, cordoned by ${cordonedBy}`}`;
  return pending.length > 0 ? color.yellow(`${pods}, would wait`) : pods;
}
