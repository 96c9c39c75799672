/** Whether a node is rebooted. A reason that a reboot did not clear is no reason for another reboot. */
import { findBootDefect } from './boot';
import type { ErrorInfo } from '../shared/errors';
import type { IgnoredRebootOwner } from './reboot-owners';
import { splitOwners } from './reboot-owners';
import type { NodeFacts } from './report';
import type { NodeWarning } from './warning';
import { mergeWarnings } from './warning';

/** State of an unfinished reboot. `unknown`: the request has not been answered. */
export type RebootRequested = 'no' | 'unknown' | 'yes';

/** A node that has a new reason after each of this many reboots in one run needs a person. */
export const MAX_REBOOTS_PER_RUN = 2;

/** Reasons in a sentence; the rest is counted. */
const MAX_NAMES = 5;

/** The reasons that remained after a reboot; kept until the node has another boot id. */
export interface IneffectiveReboot {
  /** Boot id of the boot that did not clear the reasons. */
  bootId: string;
  reasons: string[];
  /** Modification time of /run/reboot-required; null = the file does not exist. */
  stamp: string | null;
}

/** Reasons stored in files: the same text written again is a new request. */
const IN_A_FILE = /^(?:package |\/run\/reboot-required)/;

/** Limits for reasons in the state, because a node may report many. */
const MAX_REASONS = 20;
const MAX_REASON = 200;

/**
 * The facts without ineffective reasons, plus a warning that names those. `changed`: names of packages changed since
 * `ineffective` was recorded; their reasons count as new.
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

/** The reasons that remained after a reboot. */
export function ineffectiveRebootAfter(before: NodeFacts, after: NodeFacts): IneffectiveReboot | null {
  const asked = new Set([...before.reboot.reasons, ...(before.reboot.ineffective ?? [])]);
  return toIneffectiveReboot(
    after,
    after.reboot.reasons.filter((reason) => asked.has(reason)),
  );
}

/** The ineffective reboot to keep when the patch of a node has ended. */
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

/** What a node needs once its packages are installed; evaluated again after every reboot. */
export function decideReboot(
  node: string,
  facts: NodeFacts,
  rebootAllowed: boolean,
  reboots: number,
  ignoredOwners: readonly IgnoredRebootOwner[] = [],
): RebootDecision {
  if (!facts.reboot.required) return { do: 'finish', outcome: 'patched' };
  if (!rebootAllowed) return { do: 'finish', outcome: 'reboot-pending' };
  const others = splitOwners(facts.rebootOwners, ignoredOwners).owners;
  if (others.length > 0) {
    const owners = others.join(' and ');
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

/** Parses a value from a record or state; null when it is malformed. */
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
