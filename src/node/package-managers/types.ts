import type { NodeWarning } from '../../domain/node/warning';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { NodeFacts, PackageChange, PatchPlan } from '../../domain/node/report';
import type { ClassifiedFailure, FailedPhase } from './failure';

export interface PlanReading {
  plan: PatchPlan;
  /** Why this plan must not be applied, each naming the packages; empty = it may. */
  refusals: string[];
  /** Lines that announce a change but were not understood; a plan with any is not applied. */
  unparsed: string[];
}

export interface ReportReading {
  changes: PackageChange[];
  keptConfigFiles: string[];
  /** What is wrong with the package database now; empty = nothing. */
  problems: string[];
  /** What failed after all was done. */
  warnings: NodeWarning[];
}

export type PhaseEvent =
  { event: 'package-started' | 'package-finished' } | { event: 'lock-held'; /** Program and pid. */ by: string };

/**
 * What the controller has to know about one package manager. What is run stands in the helper, in the section of the
 * same name; here stands how its results are read. Pure functions.
 */
export interface PackageManager {
  /** What a person does on the node: look at the plan, mend the packages. Each begins a sentence that ends in a node. */
  words: { plan: string; repair: string };
  /** Reads the result of `plan` and `pending`; `policy` is the one it was made by. */
  parsePlan(result: string, os: NodeFacts['os'], policy?: PackagePolicy): PlanReading;
  /** Reads the result of `apply` and `repair`. */
  parseReport(result: string): ReportReading;
  /** What one line of an apply's log says about its progress; null for most. */
  readProgress(line: string): PhaseEvent | null;
  /** Whether this line of a fetch's log says that one more package has arrived. */
  isFetched(line: string): boolean;
  /** What a phase that ended with an exit code other than 0 means. Carries the code and a cleaned tail of the log. */
  classify(failed: FailedPhase): ClassifiedFailure;
}
