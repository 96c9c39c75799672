/**
 * Shortens the handover between the workflows of a run: thousands of nodes have to fit into one message beside their
 * specs.
 */
import type { MemberSettled } from '../cluster/member';
import type { NodeError, NodeSettled } from '../node/status';
import { plainText } from '../shared/text';
import type { RunCursor } from './run';

/** A run workflow hands over before its history has this many events, or this many bytes. */
const MAX_EVENTS = 9_000;
const MAX_BYTES = 8 * 1024 * 1024;

/** Room that is left for each node in flight, so that all of them may end, or be cancelled, in the same history. */
const EVENTS_PER_NODE_IN_FLIGHT = 6;
const BYTES_PER_NODE_IN_FLIGHT = 4 * 1024;

/** However many nodes are in flight, a run workflow has at least this much of its history for others. */
const LEAST_SHARE = 1 / 3;

export interface HistorySize {
  historyLength: number;
  historySize: number;
  /** By the Temporal server, which may have limits of its own. */
  continueAsNewSuggested: boolean;
}

/** Whether a run workflow with `inFlight` nodes in flight leaves the rest to the next one. */
export function isHistoryFull(
  { historyLength, historySize, continueAsNewSuggested }: HistorySize,
  inFlight: number,
): boolean {
  const events = Math.max(MAX_EVENTS * LEAST_SHARE, MAX_EVENTS - inFlight * EVENTS_PER_NODE_IN_FLIGHT);
  const bytes = Math.max(MAX_BYTES * LEAST_SHARE, MAX_BYTES - inFlight * BYTES_PER_NODE_IN_FLIGHT);
  return continueAsNewSuggested || historyLength >= events || historySize >= bytes;
}

/** Up to this many nodes, texts are handed over in full. */
const MAX_NODES_IN_FULL = 400;
const MAX_MESSAGE = 120;

/** The cursor with shortened texts when it covers many nodes; the workflow of each node has the full text. */
export function briefCursor(cursor: RunCursor): RunCursor {
  if (cursor.settled.length <= MAX_NODES_IN_FULL) return cursor;
  return { ...cursor, settled: cursor.settled.map(briefSettled) };
}

/** Longer reports, in characters of JSON, do not tell again what the cluster has been told. Compressed, the rest always fits. */
const MAX_REPORT_CHARS = 2 * 1024 * 1024;

/** The cursor with which a run workflow ends. `isTold`: whether the cluster knows the end of a member in full. */
export function briefReport(cursor: RunCursor, isTold: (node: string) => boolean): RunCursor {
  if (cursor.settled.length <= MAX_NODES_IN_FULL || JSON.stringify(cursor.settled).length <= MAX_REPORT_CHARS)
    return cursor;
  return { ...cursor, settled: cursor.settled.map((one) => (isTold(one.node) ? withoutTexts(one) : one)) };
}

/** With all that a cluster is recovered from. */
function withoutTexts(settled: MemberSettled): MemberSettled {
  const error = settled.error === null ? null : briefError(settled.error);
  if (settled.kind === 'node-group') return { ...settled, error };
  const { reading } = settled;
  return {
    ...withoutIneffectiveReboot(settled),
    reading: reading === null ? null : { ...reading, warnings: [] },
    error,
  };
}

/** The same for the errors of quarantined nodes. */
export function briefErrors(errors: Record<string, NodeError>): Record<string, NodeError> {
  const entries = Object.entries(errors);
  if (entries.length <= MAX_NODES_IN_FULL) return errors;
  return Object.fromEntries(entries.map(([node, error]) => [node, briefError(error)]));
}

function briefSettled(settled: MemberSettled): MemberSettled {
  const error = settled.error === null ? null : briefError(settled.error);
  return { ...(settled.kind === 'node' ? withoutIneffectiveReboot(settled) : settled), reading: null, error };
}

function withoutIneffectiveReboot({ ineffectiveReboot: _, work: __, ...settled }: NodeSettled): NodeSettled {
  return settled;
}

function briefError({ type, message }: NodeError): NodeError {
  return { type, message: plainText(message, MAX_MESSAGE) };
}
