/** Parses the changes of a phase, which the helper reads from the package database in one format for all managers. */
import type { PackageChange } from '../../domain/node/report';
import { plainText } from '../../domain/shared/text';
import { hookWarnings } from './hook-warning';
import type { ReportReading } from './types';

/** All changes of a node patch, from the `since` lines of a plan. */
export function parseChangesSince(result: string): PackageChange[] {
  const lines = result.split('\n').filter((line) => line.startsWith('since '));
  return parseReport(lines.map((line) => line.slice('since '.length)).join('\n')).changes;
}

export function parseReport(result: string): ReportReading {
  const packages = new Map<string, PackageChange>();
  const reading: ReportReading = { changes: [], keptConfigFiles: [], problems: [], warnings: [] };
  for (const line of result.split('\n')) {
    const [kind, name = '', arch = '', version = ''] = line.split(' ');
    if (kind === '+' || kind === '-')
      recordChange(packages, kind, plainText(name, 200), plainText(arch, 40), plainText(version, 200));
    else if (kind === 'conffile') reading.keptConfigFiles.push(plainText(line.slice('conffile '.length), 300));
    else if (kind === 'warning') reading.warnings.push(...hookWarnings([line]));
    else if (kind === 'problem') reading.problems.push(plainText(line.slice('problem '.length), 300));
  }
  reading.changes = [...packages.values()];
  return reading;
}

/** A removed and an added version of a package form one change. Several versions of one name differ by architecture. */
function recordChange(
  packages: Map<string, PackageChange>,
  kind: '+' | '-',
  name: string,
  arch: string,
  version: string,
): void {
  const key = `${name}:${arch}`;
  const change = packages.get(key) ?? { name, arch, from: null, to: null };
  if (kind === '+') change.to = version;
  else change.from = version;
  packages.set(key, change);
}
