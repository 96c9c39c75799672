/** The output of `doctor`: one line per finding, worst first, and one per node without problems. */
import type { ClusterDiagnosis } from '../../client/doctor';
import type { InspectionSummary } from '../../domain/inspection/node';
import type { Finding } from '../../domain/inspection/finding';
import { worstFirst } from '../../domain/shared/severity';
import type { DoctorReport } from '../commands/doctor/diagnose';
import { wrapIndented } from './columns';
import { paint } from './status-line';
import type { Colors } from './table';
import { renderTable } from './table';
import { oneLine } from './text';
import { plural } from '../../domain/shared/plural';
import { asSentence } from '../../domain/shared/text';

const MAX_LINE = 1_000;

interface Row extends Pick<Finding, 'severity' | 'check' | 'message' | 'remedy'> {
  where: string;
}

export function renderDoctor({ installation, clusters }: DoctorReport, color: Colors): string {
  const rows: Row[] = [
    ...installation.map((finding) => ({ ...finding, where: 'installation' })),
    ...clusters.flatMap((one) => [
      ...one.findings.map((finding) => ({ ...finding, where: one.cluster })),
      ...one.nodes.flatMap((node) => nodeRows(node, clusters.length > 1 ? `${one.cluster}/` : '')),
    ]),
  ];
  const table = renderTable(
    ['Severity', 'Where', 'Check', 'Finding'],
    worstFirst(rows).map((row) => cells(row, color)),
    color,
  );
  return [
    table,
    ...(clusters.length === 0 ? [] : [wrapIndented(clusters.map((one) => summarise(one)).join('\n'), color.columns)]),
  ].join('\n\n');
}

/** Findings without problems share one line. */
function nodeRows({ node, findings }: InspectionSummary, prefix: string): Row[] {
  const where = `${prefix}${node}`;
  const rows = findings.filter(({ severity }) => severity !== 'ok').map((finding) => ({ ...finding, where }));
  const fine = findings.filter(({ severity }) => severity === 'ok');
  const [first] = fine;
  if (first === undefined) return rows;
  const message = fine.map((one) => one.message).join('; ');
  return [...rows, { ...first, where, message }];
}

function cells({ severity, where, check, message, remedy }: Row, color: Colors): string[] {
  const sentence = asSentence(oneLine(message, MAX_LINE));
  const finding = remedy === null ? sentence : `${sentence}\n${color.bold('fix:')} ${oneLine(remedy, MAX_LINE)}`;
  return [paint(severity, color)(severity), oneLine(where), check, finding];
}

function summarise({ cluster, verdict, nodes }: ClusterDiagnosis): string {
  const name = `cluster ${oneLine(cluster)}`;
  const counts = [
    [nodes.filter((node) => node.verdict === 'error').length, 'cannot be patched'],
    [nodes.filter((node) => node.verdict === 'warning').length, 'with warnings'],
    [nodes.filter((node) => node.verdict === 'ok').length, 'ok'],
  ] as const;
  const shown = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const unit = nodes.some(({ findings }) => findings.some(({ check }) => check === 'node-group'))
    ? 'node group'
    : 'node';
  if (nodes.length > 0) return `${name}: ${plural(nodes.length, unit)}, ${shown.join(', ')}`;
  return `${name}: ${verdict === 'ok' ? 'ok' : 'no node was inspected'}`;
}
