/** Why a node is rebooted, and why not once more: a reason that a reboot did not take away is not tried twice. */
import { findBootDefect } from './boot';
import type { ErrorInfo } from '../shared/errors';
import type { NodeFacts } from './report';
import type { NodeWarning } from './warning';
import { mergeWarnings } from './warning';

/** Of a reboot that has not come to its end. `unknown`: the call that asks for it has not answered. */
export type RebootRequested = 'no' | 'unknown' | 'yes';

/** A node that has a new reason after each of this many reboots in one run is left to a person. */
export const MAX_REBOOTS_PER_RUN = 2;

/** Reasons named in a sentence; the rest is counted. */
const MAX_NAMES = 5;

/** What still asked for a reboot after one; remembered until the node has another boot id. */
export interface IneffectiveReboot {
  /** Of the boot that did not help. */
  bootId: string;
  reasons: string[];
  /** When /run/reboot-required was written; null = it is not there. */
  stamp: string | null;
}

/** Reasons that stand in files: the same words, written anew, are another request. */
const IN_A_FILE = /^(?:package |\/run\/reboot-required)/;

/** Reasons that a node tells for itself are many at times; a memory of years keeps this many, and of each so much. */
const MAX_REASONS = 20;
const MAX_REASON = 200;

/**
 * The facts without the reasons that no reboot would take away, and with a warning that names them. `changed`: the names
 * of packages that were changed since `ineffective` was noted, whose reasons are new ones.
 */
export function discountIneffectiveReboot(
  facts: NodeFacts,
  ineffective: IneffectiveReboot | null,
  changed: readonly string[] = [],
): NodeFacts {
  if (ineffective === null || ineffective.bootId !== facts.bootId) return facts;
  const isAnew = (facts.reboot.stamp ?? null) !== ineffective.stamp;
  const known = new Set(ineffective.reasons);
  const isKnown = (reason: string): boolean =>
    known.has(reason.slice(0, MAX_REASON)) &&
    !(isAnew && IN_A_FILE.test(reason)) &&
    !changed.some((name) => reason === `package ${name}`);
  const left = facts.reboot.reasons.filter((reason) => isKnown(reason));
  if (left.length === 0) return facts;
  const reasons = facts.reboot.reasons.filter((reason) => !isKnown(reason));
  return {
    ...facts,
    reboot: { ...facts.reboot, required: reasons.length > 0, reasons, ineffective: left },
    warnings: mergeWarnings([ineffectiveRebootWarning(left)], facts.warnings),
  };
}

/** What a reboot has not changed: everything that asked for it and still asks. */
export function ineffectiveRebootAfter(before: NodeFacts, after: NodeFacts): IneffectiveReboot | null {
  const asked = new Set([...before.reboot.reasons, ...(before.reboot.ineffective ?? [])]);
  return toIneffectiveReboot(
    after,
    after.reboot.reasons.filter((reason) => asked.has(reason)),
  );
}

/** What is remembered of a node when its patch has ended. */
export function ineffectiveRebootOf(facts: NodeFacts): IneffectiveReboot | null {
  return toIneffectiveReboot(facts, facts.reboot.ineffective ?? []);
}

function toIneffectiveReboot({ bootId, reboot }: NodeFacts, reasons: readonly string[]): IneffectiveReboot | null {
  if (reasons.length === 0) return null;
  const kept = reasons.slice(0, MAX_REASONS).map((reason) => reason.slice(0, MAX_REASON));
  return { bootId, reasons: kept, stamp: reboot.stamp ?? null };
}

function ineffectiveRebootWarning(reasons: readonly string[]): NodeWarning {
  return {
    kind: 'reboot-ineffective',
    message: `a reboot is still required (${list(reasons)}), but the last reboot did not clear the reason; the node is not rebooted for it again`,
    remedy: 'find out what requests it (`ls -l /run/reboot-required*`, the default of the boot loader)',
  };
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join('; ');
  return names.length <= MAX_NAMES ? shown : `${shown} and ${names.length - MAX_NAMES} more`;
}

export type RebootDecision =
  { do: 'reboot' } | { do: 'finish'; outcome: 'patched' | 'reboot-pending' } | { do: 'fail'; error: ErrorInfo };

/** What a node needs once its packages are in place, asked again after every reboot. */
export function decideReboot(node: string, facts: NodeFacts, rebootAllowed: boolean, reboots: number): RebootDecision {
  if (!facts.reboot.required) return { do: 'finish', outcome: 'patched' };
  if (!rebootAllowed) return { do: 'finish', outcome: 'reboot-pending' };
  if (facts.rebootOwners.length > 0) {
    const owners = facts.rebootOwners.join(' and ');
    return {
      do: 'fail',
      error: {
        type: 'Policy',
        message: `${node} was patched but not rebooted: it is also rebooted by ${owners}, and two reboot owners would take nodes down at once`,
        remedy: `switch ${owners} off on ${node}, then patch it again`,
      },
    };
  }
  const defect = findBootDefect(node, facts);
  if (defect !== null) return { do: 'fail', error: defect };
  if (reboots < MAX_REBOOTS_PER_RUN) return { do: 'reboot' };
  return {
    do: 'fail',
    error: {
      type: 'RebootFailed',
      message: `${node} has another reason for a reboot after ${reboots} reboots (${list(facts.reboot.reasons) || 'no reason given'})`,
      remedy: 'find out on the node what keeps requesting a reboot, then patch the node again',
    },
  };
}

/** What a record or a state holds; null for anything else. */
export function parseIneffectiveReboot(value: unknown): IneffectiveReboot | null {
  if (typeof value !== 'object' || value === null) return null;
  const { bootId, reasons, stamp } = value as Record<string, unknown>;
  if (typeof bootId !== 'string' || !Array.isArray(reasons)) return null;
  const texts = reasons.filter((reason): reason is string => typeof reason === 'string');
  if (texts.length === 0) return null;
  return {
    bootId: bootId.slice(0, 64),
    reasons: texts.slice(0, MAX_REASONS).map((reason) => reason.slice(0, MAX_REASON)),
    stamp: typeof stamp === 'string' ? stamp.slice(0, 40) : null,
  };
}
