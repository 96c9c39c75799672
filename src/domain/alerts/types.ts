/** What a cluster has to do with an Alertmanager: the silences for its nodes, and the alerts that hold its runs. */

/** Replicas of one Alertmanager in a spec. */
export const MAX_ALERTMANAGER_URLS = 5;

/** Matchers of one kind in a spec. */
export const MAX_MATCHER_SETS = 20;

/** Names of alerts that a run keeps; the rest is counted. */
export const MAX_ALERT_NAMES = 10;

export const ON_SILENCE_FAILURE = ['continue', 'wait'] as const;
export type OnSilenceFailure = (typeof ON_SILENCE_FAILURE)[number];

/** How a worker reaches an Alertmanager. Files are bare names in the secrets directory of the worker. */
export interface AlertmanagerAccess {
  /** Base addresses of the replicas of one Alertmanager. */
  url: string[];
  bearerTokenFile?: string;
  basicAuth?: { username: string; passwordFile: string };
  /** Certificates of the authorities to trust. Absent: those of Node.js. */
  caFile?: string;
}

/** Replicas that have started later than this before are not believed that nothing fires, e.g. `2m`. */
export interface AlertmanagerSpec extends AlertmanagerAccess {
  startupGrace: string;
}

export interface SilenceSpec {
  /** Each makes one silence: matchers in the syntax of Alertmanager, with placeholders. */
  matchers: string[];
  /** When a silence that nobody renews ends, e.g. `10m`. */
  lease: string;
  /** How long a silence outlives the patch of its node. Absent: not at all. */
  tail?: string;
  /** A silence is renewed no longer than this, e.g. `2h`. */
  maxDuration: string;
  onFailure: OnSilenceFailure;
}

export interface AlertsSpec {
  alertmanager: AlertmanagerSpec;
  /** Absent: no silences. */
  silence?: SilenceSpec;
  /** Which alerts hold the next node: all, or those that match one of these. Absent: none. */
  block?: 'all' | string[];
  /** Which of them do not: names (regular expressions), or matchers. Absent without `block`. */
  ignore?: string[];
  /** How long no alert may have fired since the last node ended. Absent: no time at all. */
  holdFor?: string;
  /** An alert that always fires. Absent: that alerts arrive at all is not checked. */
  watchdog?: string;
}

/** Which alerts are to be read. */
export interface AlertFilter {
  block: 'all' | string[];
  ignore: string[];
  watchdog?: string;
  startupGraceMs: number;
}

/** The gate of a run. */
export interface AlertGatePolicy {
  alertmanager: AlertmanagerAccess;
  filter: AlertFilter;
  holdForMs: number;
  /** A run older than this is not held any more: it expires. */
  maxRunAgeMs: number;
}

/** The silences of a node patch. */
export interface SilencePolicy {
  alertmanager: AlertmanagerAccess;
  matchers: string[];
  leaseMs: number;
  tailMs: number;
  maxMs: number;
  onFailure: OnSilenceFailure;
}

export const GATE_RESULTS = ['pass', 'fail', 'unknown'] as const;
export type GateResult = (typeof GATE_RESULTS)[number];

/** How often a gate has answered otherwise than before. */
export type GateCounts = Partial<Record<GateResult, number>>;

/** The answer of an Alertmanager. `unknown`: there is none that says that nothing fires. */
export interface AlertReading {
  result: GateResult;
  /** Names of the alerts that hold the next node, in order, at most {@link MAX_ALERT_NAMES}. */
  names: string[];
  /** How many names there are. */
  total: number;
  /** Why the result is unknown, in one clause. Absent: it is known. */
  why?: string;
}
