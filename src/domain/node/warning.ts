/** Warnings about a node: they do not stop a patch. */
import { plainText } from '../shared/text';

/** Other programs rely on these values. */
export const WARNING_KINDS = [
  // Installed and available packages.
  'hidden-updates',
  'stale-lists',
  'excluded-security',
  'end-of-life',
  'update-hook',
  'prefetch-failed',
  'silence-failed',
  'repaired',
  // Running code.
  'restart-pending',
  'left-running',
  'units-failed',
  'other-updaters',
  // The next boot.
  'boot-kernel',
  'reboot-ineffective',
  'boot-id-shared',
  // Other updaters.
  'shared-machine',
  // The worker itself.
  'only-worker',
  // Unreadable facts.
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

/** The node is patched without. */
export function silenceFailedWarning(message: string, remedy: string | null): NodeWarning {
  return { kind: 'silence-failed', message: plainText(message, 500), remedy };
}

/** A failure that a repair or retry resolved; reported because it may recur. */
export function repairedWarning(message: string): NodeWarning {
  return { kind: 'repaired', message, remedy: null };
}

/** Maximum characters of a warning in the record and status of a node. */
const MAX_MESSAGE = 400;
const MAX_REMEDY = 200;
/** Maximum warnings in the status of a node; the record of a node patch keeps four times as many. */
export const MAX_STATUS_WARNINGS = 5;
const MAX_RECORD_WARNINGS = 20;

/** The distinct warnings of several sources, in order, capped for a record. */
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

/** Parses warnings from an untrusted value; malformed ones are dropped. */
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
