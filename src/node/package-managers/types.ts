import type { NodeWarning } from '../../domain/node/warning';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { NodeFacts, PackageChange, PatchPlan } from '../../domain/node/report';
import type { ClassifiedFailure, FailedPhase } from './failure';

export interface PlanReading {
  plan: PatchPlan;
  /** Why this plan must not be applied, each with package names; empty = the plan may be applied. */
  refusals: string[];
  /** Lines that announce a change in an unknown format; a plan with any is not applied. */
  unparsed: string[];
}

export interface ReportReading {
  changes: PackageChange[];
  keptConfigFiles: string[];
  /** Problems of the package database; empty = none. */
  problems: string[];
  /** Failures after the transaction. */
  warnings: NodeWarning[];
}

export type PhaseEvent =
  { event: 'package-started' | 'package-finished' } | { event: 'lock-held'; /** Program and pid. */ by: string };

/**
 * A package manager as seen by the controller. The commands are in the helper, in the section of the same name; the
 * functions here parse their results. Pure functions.
 */
export interface PackageManager {
  /** Remedies for the user: how to inspect the plan, how to repair packages. Each is followed by `on NODE`. */
  words: { plan: string; repair: string };
  /** Parses the result of `plan` and `pending`; `policy` is the policy used for the plan. */
  parsePlan(result: string, os: NodeFacts['os'], policy?: PackagePolicy): PlanReading;
  /** Parses the result of `apply` and `repair`. */
  parseReport(result: string): ReportReading;
  /** The progress in one line of an apply log; null for most lines. */
  readProgress(line: string): PhaseEvent | null;
  /** Whether this line of a fetch log reports a downloaded package. */
  isFetched(line: string): boolean;
  /** Classifies a phase with an exit code other than 0. The error includes the code and a sanitised tail of the log. */
  classify(failed: FailedPhase): ClassifiedFailure;
}
