/** What a check found on every node. */
import type { NodeCheck } from '../../contract/activities/node';
import type { DrainCheck } from '../../domain/inspection/drain';
import type { ErrorType } from '../../domain/shared/errors';
import type { NodeFacts } from '../../domain/node/report';
import type { Colors } from './table';
import { renderTable } from './table';
import { describeWarnings } from './warnings';
import { NONE, oneLine, plural } from './text';

type Verdict = 'yes' | 'no' | '?';

/** How far a failed check came: reached, logged in, root; what lies behind the failure is not known. */
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

/** A table of all nodes, what else was found, and what to do about the nodes that cannot be used. */
export function renderChecks(checks: readonly NodeCheck[], color: Colors): string {
  const drains = checks.some((check) => check.ok && check.drain !== undefined);
  const head = ['Node', 'Reachable', 'Login', 'Root', 'OS', 'Pending', 'Reboot', ...(drains ? ['Drain'] : [])];
  const table = renderTable(
    head,
    checks.map((check) => [...row(check, color), ...(drains ? [drainCell(check, color)] : [])]),
    color,
  );
  const findings = checks.flatMap((check) =>
    check.ok
      ? [
          ...describeFindings(check.node, check.facts, color),
          ...describeWarnings(check.node, check.warnings, color),
          ...describeDrain(check.node, check.drain, color),
        ]
      : [],
  );
  const errors = checks.flatMap((check) => (check.ok ? [] : describeError(check, color)));
  const usable = checks.filter(({ ok }) => ok).length;
  const stuck = checks.filter((check) => check.ok && !canBeDrained(check)).length;
  const but = stuck === 0 ? '' : `, but ${stuck} of them cannot be drained`;
  const summary = `${usable} of ${plural(checks.length, 'node')} can be used${but}`;
  return [
    table,
    ...[findings, errors].filter((lines) => lines.length > 0).map((lines) => lines.join('\n')),
    summary,
  ].join('\n\n');
}

function row(check: NodeCheck, color: Colors): string[] {
  if (!check.ok) {
    const verdicts = REACHED[check.error.type] ?? ['?', '?', '?'];
    return [oneLine(check.node), ...verdicts.map((verdict) => paint(verdict, color)), NONE, NONE, NONE];
  }
  const { facts, pending } = check;
  const reboot = facts.reboot.required ? color.yellow('required') : 'no';
  const yes = color.green('yes');
  return [oneLine(check.node), yes, yes, yes, oneLine(facts.osVersion, 60), String(pending), reboot];
}

function paint(verdict: Verdict, color: Colors): string {
  return verdict === 'yes' ? color.green(verdict) : verdict === 'no' ? color.red(verdict) : verdict;
}

function describeError({ node, error }: Extract<NodeCheck, { ok: false }>, color: Colors): string[] {
  const line = `${color.red(oneLine(node))}  ${error.type}: ${oneLine(error.message, 500)}`;
  return error.remedy === undefined ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(error.remedy, 500)}`];
}

/** What does not stand in the way of logging in, but of patching, or is good to know. */
function describeFindings(node: string, facts: NodeFacts, color: Colors): string[] {
  const found: [string, readonly string[]][] = [
    ['reboot required by', facts.reboot.reasons],
    ['package database', facts.packages.problems],
    [`${facts.lockKind ?? 'package'} lock held by`, facts.lockHolder === null ? [] : [facts.lockHolder]],
    ['ospatch job running', facts.job === null ? [] : [facts.job]],
    ['Kubernetes agent active', facts.kubernetesAgents],
    ['also reboots this node', facts.rebootOwners],
    ['also patches this node', facts.otherUpdaters],
    ['failed units', facts.failedUnits],
  ];
  return found
    .filter(([, values]) => values.length > 0)
    .map(([title, values]) => `${color.yellow(oneLine(node))}  ${title}: ${oneLine(values.join(', '))}`);
}

/** True also where nodes are not drained. */
export function canBeDrained(check: Extract<NodeCheck, { ok: true }>): boolean {
  return check.drain === undefined || (check.drain.ok && check.drain.preview.blockers.length === 0);
}

function drainCell(check: NodeCheck, color: Colors): string {
  if (!check.ok || check.drain === undefined) return NONE;
  if (!check.drain.ok) return color.red('?');
  const { blockers, pending, evict } = check.drain.preview;
  if (blockers.length > 0) return color.red('blocked');
  return pending.length > 0 ? color.yellow(`${plural(evict, 'pod')}, would wait`) : plural(evict, 'pod');
}

/** What a drain of the node would meet, beyond the number of its pods. */
function describeDrain(node: string, drain: DrainCheck | undefined, color: Colors): string[] {
  if (drain === undefined) return [];
  const name = oneLine(node);
  if (!drain.ok) return describeError({ node, ok: false, error: drain.error }, color);
  const { blockers, pending, cordonedBy, owner, nodeName, ignored, ended } = drain.preview;
  const staying = Object.entries(ignored).map(([why, count]) => `${count} ${why}`);
  return [
    ...blockers.map((one) => `${color.red(name)}  cannot be drained: ${oneLine(one, 500)}`),
    ...pending.map((one) => `${color.yellow(name)}  drain: ${oneLine(one, 500)}`),
    ...(cordonedBy === 'others'
      ? [`${color.yellow(name)}  cordoned by somebody else (kubectl uncordon ${oneLine(nodeName)})`]
      : []),
    ...(cordonedBy === 'ospatch'
      ? [`${color.yellow(name)}  cordoned by ospatch${owner === null ? '' : ` in run ${owner.run}`}`]
      : []),
    ...describeWarnings(node, ended === undefined ? [] : [ended], color),
    ...(staying.length === 0 ? [] : [`${name}  pods that stay: ${oneLine(staying.join(', '), 500)}`]),
  ];
}
