/** What a person should know about a node although it did not stop the work there. */
import { plainText } from '../shared/text';

/** Other programs tell warnings apart by these. */
export const WARNING_KINDS = [
  // What is installed, and what could be.
  'hidden-updates',
  'stale-lists',
  'excluded-security',
  'end-of-life',
  'update-hook',
  'prefetch-failed',
  'repaired',
  // What runs.
  'restart-pending',
  'left-running',
  'units-failed',
  'other-updaters',
  // What starts next.
  'boot-kernel',
  'reboot-ineffective',
  'boot-id-shared',
  // Who else patches it.
  'shared-machine',
  // What could not be read.
  'facts-incomplete',
  'other',
] as const;
export type WarningKind = (typeof WARNING_KINDS)[number];

export interface NodeWarning {
  kind: WarningKind;
  /** One clause, without a final full stop. */
  message: string;
  /** The next command or setting; null when there is nothing to do. */
  remedy: string | null;
}

/** A failure that a repair or a later try has mended: it may come back, and nobody would know that it was there. */
export function repairedWarning(message: string): NodeWarning {
  return { kind: 'repaired', message, remedy: null };
}

/** Characters of a warning that are kept, in the record and in the status of a node. */
const MAX_MESSAGE = 400;
const MAX_REMEDY = 200;
/** Warnings of one node that its status keeps; the record of a node patch keeps four times as many. */
export const MAX_STATUS_WARNINGS = 5;
const MAX_RECORD_WARNINGS = 20;

/** All warnings of several sources, each once, in the order in which they came, capped for a record. */
export function mergeWarnings(...sources: readonly (readonly NodeWarning[])[]): NodeWarning[] {
  const seen = new Map<string, NodeWarning>();
  for (const { kind, message, remedy } of sources.flat()) {
    const one = {
      kind,
      message: plainText(message, MAX_MESSAGE),
      remedy: remedy === null ? null : plainText(remedy, MAX_REMEDY),
    };
    seen.set(`${kind} ${one.message}`, one);
  }
  return [...seen.values()].slice(0, MAX_RECORD_WARNINGS);
}

/** Reads warnings from whatever was sent; what is none is left out. */
export function parseWarnings(value: unknown): NodeWarning[] {
  if (!Array.isArray(value)) return [];
  const warnings = value.slice(0, MAX_STATUS_WARNINGS).map(parseWarning);
  return warnings.filter((warning) => warning !== null);
}

function parseWarning(value: unknown): NodeWarning | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, message, remedy } = value as Record<string, unknown>;
  if (typeof message !== 'string') return null;
  return {
    kind: WARNING_KINDS.find((known) => known === kind) ?? 'other',
    message: plainText(message, MAX_MESSAGE),
    remedy: typeof remedy === 'string' ? plainText(remedy, MAX_REMEDY) : null,
  };
}
