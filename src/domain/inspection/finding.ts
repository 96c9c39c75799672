/** Findings of `check` and `doctor`: each has a severity, a message and a remedy. */
import type { ErrorInfo, ErrorType } from '../shared/errors';
import type { Severity } from '../shared/severity';
import type { NodeWarning, WarningKind } from '../node/warning';

/** What a finding is about. Other programs rely on these values. */
export const CHECKS = [
  // The installation.
  'temporal',
  'namespace',
  'search-attributes',
  'worker',
  'policy',
  // A cluster.
  'spec',
  'schedule',
  'notifications',
  'cluster',
  'nodes',
  'aws',
  'node-group',
  // A node, in order of dependency.
  'reachable',
  'host-key',
  'login',
  'sudo',
  'helper',
  'os',
  'disk',
  'clock',
  'packages',
  'held-packages',
  'package-lock',
  'job',
  'other-updaters',
  'reboot-owners',
  'kubernetes',
  'drain',
  'units',
  'reboot',
  'updates',
  'services',
  'boot',
  'facts',
  'ready',
  'alerts',
  'other',
] as const;
export type Check = (typeof CHECKS)[number];

export interface Finding {
  severity: Severity;
  check: Check;
  /** One clause, without a final full stop. */
  message: string;
  /** The next command or setting; null when there is nothing to do. */
  remedy: string | null;
}

export function problem(check: Check, message: string, remedy: string | null): Finding {
  return { severity: 'error', check, message, remedy };
}

export function warning(check: Check, message: string, remedy: string | null): Finding {
  return { severity: 'warning', check, message, remedy };
}

export function ok(check: Check, message: string): Finding {
  return { severity: 'ok', check, message, remedy: null };
}

/** The check that an error type belongs to; `other` for the rest. */
const CHECK_OF: Partial<Record<ErrorType, Check>> = {
  Unreachable: 'reachable',
  UnreachableAfterChange: 'reachable',
  HostKeyMismatch: 'host-key',
  AuthFailed: 'login',
  IdentityUnavailable: 'login',
  SudoDenied: 'sudo',
  HelperMissing: 'helper',
  HelperProtocol: 'helper',
  UnsupportedOs: 'os',
  DiskFull: 'disk',
  Policy: 'packages',
  PackageManager: 'packages',
  PackagesBroken: 'packages',
  Repository: 'packages',
  Busy: 'package-lock',
  // During an inspection this error means that no job can be started.
  Unhealthy: 'job',
  KubernetesApi: 'kubernetes',
  WrongNode: 'drain',
  DrainBlocked: 'drain',
  Aws: 'aws',
  Alertmanager: 'alerts',
  NoServer: 'temporal',
  NoWorker: 'worker',
  WorkerProtocol: 'worker',
  Stuck: 'cluster',
  Denied: 'policy',
};

/** An error that would end a run, as a finding. */
export function findingOfError(error: ErrorInfo, check: Check = CHECK_OF[error.type] ?? 'other'): Finding {
  return problem(check, error.message, error.remedy ?? null);
}

const CHECK_OF_WARNING: Record<WarningKind, Check> = {
  'hidden-updates': 'updates',
  'stale-lists': 'updates',
  'excluded-security': 'updates',
  'end-of-life': 'os',
  'update-hook': 'packages',
  'prefetch-failed': 'packages',
  'silence-failed': 'alerts',
  repaired: 'packages',
  'restart-pending': 'services',
  'left-running': 'job',
  'units-failed': 'units',
  'other-updaters': 'other-updaters',
  'boot-kernel': 'boot',
  'reboot-ineffective': 'reboot',
  'boot-id-shared': 'boot',
  'shared-machine': 'nodes',
  'only-worker': 'worker',
  'facts-incomplete': 'facts',
  other: 'other',
};

/** A node warning, as a finding. */
export function findingOfWarning({ kind, message, remedy }: NodeWarning): Finding {
  return warning(CHECK_OF_WARNING[kind], message, remedy);
}
