/**
 * Shortens the handover between the workflows of a run: thousands of nodes have to fit into one message beside their
 * specs.
 */
import type { MemberSettled } from '../cluster/member';
import type { NodeError, NodeSettled } from '../node/status';
import { plainText } from '../shared/text';
import type { RunCursor } from './run';

/** Up to this many nodes, texts are handed over in full. */
const MAX_NODES_IN_FULL = 400;
const MAX_MESSAGE = 120;

/** The cursor with shortened texts when it covers many nodes; the workflow of each node has the full text. */
export function briefCursor(cursor: RunCursor): RunCursor {
  if (cursor.settled.length <= MAX_NODES_IN_FULL) return cursor;
  return { ...cursor, settled: cursor.settled.map(briefSettled) };
}

/** The same for the errors of nodes that are not contacted. */
export function briefErrors(errors: Record<string, NodeError>): Record<string, NodeError> {
  const entries = Object.entries(errors);
  if (entries.length <= MAX_NODES_IN_FULL) return errors;
  return Object.fromEntries(entries.map(([node, error]) => [node, briefError(error)]));
}

function briefSettled(settled: MemberSettled): MemberSettled {
  const error = settled.error === null ? null : briefError(settled.error);
  return { ...(settled.kind === 'node' ? withoutIneffectiveReboot(settled) : settled), reading: null, error };
}

function withoutIneffectiveReboot({ ineffectiveReboot: _, ...settled }: NodeSettled): NodeSettled {
  return settled;
}

function briefError({ type, message }: NodeError): NodeError {
  return { type, message: plainText(message, MAX_MESSAGE) };
}
