/** Maintenance windows to come, one a row. */
import { FORECAST } from '../../domain/schedule/forecast-cutoff';
import type { CalendarAhead, MaintenanceWindow, RemovedWindow } from '../../domain/schedule/window';
import type { Colors } from './table';
import { renderTable } from './table';
import { NONE, formatStart, oneLine } from './text';

/** Times are those of `zone`. Empty without windows. */
export function renderNext({ windows, removed, blackouts }: CalendarAhead, zone: string, color: Colors): string {
  const rows = [
    ...windows.map((window) => ({ start: window.start, cells: windowCells(window, blackouts, zone) })),
    ...removed.map((window) => ({ start: window.start, cells: removedCells(window, zone) })),
  ].sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
  if (rows.length === 0) return '';
  const head = [`Start (${zone})`, 'End', 'Cutoff', 'UTC', 'Note'];
  const used = head.map((_, column) => rows.some(({ cells }) => ![NONE, ''].includes(cells[column] ?? '')));
  const inUse = (cells: readonly string[]): string[] => cells.filter((_, column) => used[column]);
  return renderTable(
    inUse(head),
    rows.map(({ cells }) => inUse(cells)),
    color,
    ['UTC'],
  );
}

function windowCells(window: MaintenanceWindow, blackouts: CalendarAhead['blackouts'], zone: string): string[] {
  const { start, end, cutoff, partOf } = window;
  const before = blackouts.filter((one) => partOf !== undefined && Date.parse(one.end) === Date.parse(start));
  const after = blackouts.filter((one) => end !== null && Date.parse(one.start) === Date.parse(end));
  const notes = [
    ...(partOf === undefined ? [] : [`part of the window of ${formatStart(partOf, zone)}${because(before)}`]),
    ...(after.length === 0 ? [] : [`ends with the blackout ${reasonsOf(after)}`]),
  ];
  return [
    formatStart(start, zone),
    end === null ? NONE : formatStart(end, zone),
    end === null ? NONE : cutoff === null ? FORECAST : formatStart(cutoff, zone),
    utcOf(start),
    notes.join('; '),
  ];
}

function removedCells({ start, end, reason }: RemovedWindow, zone: string): string[] {
  const until = end === null ? NONE : formatStart(end, zone);
  return [formatStart(start, zone), until, NONE, utcOf(start), `left out: blackout ${oneLine(reason)}`];
}

function because(blackouts: CalendarAhead['blackouts']): string {
  return blackouts.length === 0 ? '' : `, after the blackout ${reasonsOf(blackouts)}`;
}

function reasonsOf(blackouts: CalendarAhead['blackouts']): string {
  return [...new Set(blackouts.map(({ reason }) => oneLine(reason)))].join(' and ');
}

function utcOf(iso: string): string {
  return new Date(Date.parse(iso)).toISOString().replace('.000Z', 'Z');
}
