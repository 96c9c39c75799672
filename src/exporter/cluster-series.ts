/** The series of one cluster, from what it has published. */
import type { PublishedMetrics, PublishedRow, PublishedRows, PublishedRun } from '../domain/cluster/published';
import { SHOWN_STATES, WAIT_REASONS, wholeRow } from '../domain/cluster/published';
import type { TotalLabels, TotalName } from '../domain/cluster/totals';
import { labelsOf } from '../domain/cluster/totals';
import { NODE_OUTCOMES } from '../domain/node/status';
import type { RunOutcome } from '../domain/run/run';
import { RUN_TRIGGERS } from '../domain/run/run';
import type { Family } from './exposition';
import { shownLabel, labels, sample } from './exposition';

const CLUSTER_STATES = ['idle', 'running', 'paused', 'waiting', 'removing', 'not-patchable', 'stuck', 'ended'] as const;
const RUN_STATES = ['waiting', 'patching', ...NODE_OUTCOMES] as const;

/** All values of a type. */
const all = <T extends string>(values: Record<T, true>): readonly T[] => Object.keys(values) as T[];

const RUN_OUTCOMES = all<RunOutcome>({ succeeded: true, failed: true, stopped: true, cancelled: true, expired: true });
const TRANSACTION_OUTCOMES = all<TotalLabels['transactions'][0]>({ changed: true, failed: true });
const REBOOT_OUTCOMES = all<TotalLabels['reboots'][0]>({ completed: true, failed: true });
const DELIVERY_RESULTS = all<TotalLabels['notifications'][1]>({ delivered: true, failed: true, dropped: true });
const GATE_RESULTS = all<TotalLabels['gates'][1]>({ pass: true, fail: true, unknown: true });

/** A cluster, as it was read last. */
export interface ClusterSnapshot {
  name: string;
  /** What the list of workflows says against what the cluster has published. Null: nothing. */
  fault: 'stuck' | 'ended' | null;
  metrics: PublishedMetrics;
  /** Null: not read yet. */
  rows: PublishedRows | null;
}

const gauge = (name: string, help: string): Family => ({ name, type: 'gauge', help });
const counter = (name: string, help: string): Family => ({ name, type: 'counter', help });

type Render = (name: string, cluster: ClusterSnapshot, set: string) => string;
type RenderRow = (name: string, row: PublishedRow, set: string, rows: PublishedRows) => string;

const inRun =
  (render: (name: string, run: PublishedRun, set: string) => string): Render =>
  (name, { metrics: { run }, fault }, set) =>
    run === undefined || fault === 'ended' ? '' : render(name, run, set);

/** What an ended cluster once said of its nodes is not known to be true. */
const ofNodes =
  (render: RenderRow): Render =>
  (name, { rows, fault }, set) => {
    if (rows === null || fault === 'ended') return '';
    let text = '';
    for (const short of rows.rows) {
      const row = wholeRow(short);
      text += render(name, row, `${set},node="${shownLabel(row[0])}"`, rows);
    }
    return text;
  };

const stateSet = (
  name: string,
  set: string,
  label: string,
  states: readonly string[],
  current: string | undefined,
): string => states.map((state) => sample(name, `${set},${label}="${state}"`, state === current ? 1 : 0)).join('');

/** By label, in order: its values, or null where specs choose them. */
type CountedLabels = Readonly<Record<string, readonly string[] | null>>;

/**
 * What may be counted is 0 before it happens. Prometheus sees the growth of a counter between two of its values only, so the first
 * failure would be none in a series that begins with 1.
 */
const total =
  (counted: Exclude<TotalName, 'windowsMissed'>, countedLabels: CountedLabels): Render =>
  (name, { metrics: { counts } }, set) => {
    const found = Object.entries(counts?.[counted] ?? {}).map(([key, value]) => ({ values: labelsOf(key), value }));
    let combinations: string[][] = [[]];
    for (const [at, values] of Object.values(countedLabels).entries()) {
      const allowed = values ?? [...new Set(found.map((one) => one.values[at] ?? ''))];
      combinations = combinations.flatMap((one) => allowed.map((value) => [...one, value]));
    }
    const series = new Map(combinations.map((values) => [setOf(countedLabels, values), 0]));
    for (const { values, value } of found) series.set(setOf(countedLabels, values), value);
    return [...series].map(([more, value]) => sample(name, `${set},${more}`, value)).join('');
  };

function setOf(countedLabels: CountedLabels, values: readonly string[]): string {
  return labels(...Object.keys(countedLabels).flatMap((label, at) => [label, values[at] ?? '']));
}

const known = (name: string, set: string, value: number): string => (value > 0 ? sample(name, set, value) : '');

/** Those that are true until the cluster publishes something else. */
export const CLUSTER_FAMILIES: readonly { family: Family; render: Render }[] = [
  {
    family: gauge('ospatch_cluster_state', 'State of the cluster, as a state set.'),
    render: (name, { metrics, fault }, set) => stateSet(name, set, 'state', CLUSTER_STATES, fault ?? metrics.state),
  },
  {
    family: gauge('ospatch_cluster_ready', 'Whether the boot patch of no node is pending or failed.'),
    render: (name, { metrics }, set) => sample(name, set, metrics.ready ? 1 : 0),
  },
  {
    family: gauge('ospatch_cluster_paused', 'Whether the cluster is paused.'),
    render: (name, { metrics }, set) => sample(name, set, metrics.paused === true ? 1 : 0),
  },
  {
    family: gauge('ospatch_cluster_nodes', 'Number of nodes by state.'),
    render: (name, { metrics, fault }, set) =>
      fault === 'ended'
        ? ''
        : SHOWN_STATES.map((state) => sample(name, `${set},state="${state}"`, metrics.states[state] ?? 0)).join(''),
  },
  {
    family: counter('ospatch_windows_missed_total', 'Maintenance windows that passed without a run.'),
    render: (name, { metrics }, set) => sample(name, set, metrics.counts?.windowsMissed?.[''] ?? 0),
  },
  {
    family: gauge('ospatch_run_in_progress', 'Trigger of the run in progress, as a state set.'),
    render: (name, { metrics, fault }, set) =>
      stateSet(name, set, 'trigger', RUN_TRIGGERS, fault === 'ended' ? undefined : metrics.run?.trigger),
  },
  {
    family: gauge('ospatch_run_waiting', 'Why the run in progress starts no node, as a state set.'),
    render: (name, { metrics, fault }, set) =>
      stateSet(name, set, 'reason', WAIT_REASONS, fault === 'ended' ? undefined : metrics.run?.waiting),
  },
  {
    family: gauge('ospatch_run_nodes', 'Nodes of the run in progress by state and outcome.'),
    render: inRun((name, { nodes }, set) =>
      RUN_STATES.map((state) => sample(name, `${set},state="${state}"`, nodes[state] ?? 0)).join(''),
    ),
  },
  {
    family: gauge('ospatch_run_started_timestamp_seconds', 'Start of the run in progress.'),
    render: inRun((name, { startedAt }, set) => sample(name, set, startedAt)),
  },
  {
    family: gauge(
      'ospatch_run_last_progress_timestamp_seconds',
      'When a node of the run in progress last began or ended.',
    ),
    render: inRun((name, { progressAt }, set) => sample(name, set, progressAt)),
  },
  {
    family: gauge('ospatch_run_forecast_end_timestamp_seconds', 'Forecast end of the run in progress.'),
    render: inRun((name, { forecastEnd = 0 }, set) => known(name, set, forecastEnd)),
  },
  {
    family: gauge('ospatch_run_last_completion_timestamp_seconds', 'End of the last run.'),
    render: (name, { metrics }, set) => known(name, set, metrics.completedAt ?? 0),
  },
  {
    family: counter('ospatch_runs_total', 'Ended runs by trigger and outcome.'),
    render: total('runs', { trigger: RUN_TRIGGERS, outcome: RUN_OUTCOMES }),
  },
  {
    family: counter('ospatch_package_transactions_total', 'Node patches that ran a package transaction, by outcome.'),
    render: total('transactions', { outcome: TRANSACTION_OUTCOMES }),
  },
  {
    family: counter('ospatch_reboots_total', 'Reboots by outcome.'),
    render: total('reboots', { outcome: REBOOT_OUTCOMES }),
  },
  {
    family: counter('ospatch_notifications_total', 'Notifications by target and result.'),
    render: total('notifications', { target: null, result: DELIVERY_RESULTS }),
  },
  {
    family: counter('ospatch_gate_results_total', 'Answers of gates by gate and result.'),
    render: total('gates', { gate: null, result: GATE_RESULTS }),
  },
  {
    family: gauge('ospatch_node_info', 'What runs on the node; always 1.'),
    render: ofNodes((name, row, set, { texts }) => {
      const version = texts[row[2]] ?? '';
      const kernel = texts[row[3]] ?? '';
      if (version === '') return '';
      return sample(name, `${set},${labels('os', osOf(version), 'patched_version', version, 'kernel', kernel)}`, 1);
    }),
  },
  {
    family: gauge('ospatch_node_state', 'State of the node, as a state set.'),
    render: ofNodes((name, row, set) => stateSet(name, set, 'state', SHOWN_STATES, SHOWN_STATES[row[1]])),
  },
  {
    family: gauge(
      'ospatch_node_last_applied_patch_timestamp_seconds',
      'End of the last transaction that changed a package.',
    ),
    render: ofNodes((name, row, set) => known(name, set, row[4])),
  },
  {
    family: gauge('ospatch_node_last_checked_timestamp_seconds', 'When the node was last read.'),
    render: ofNodes((name, row, set) => known(name, set, row[5])),
  },
  {
    family: gauge('ospatch_node_pending_updates', 'Updates that are not installed, by kind.'),
    render: ofNodes((name, row, set) => pendingUpdates(name, set, row[6], row[7])),
  },
  {
    family: gauge('ospatch_node_reboot_required', 'Whether the node needs a reboot.'),
    render: ofNodes((name, row, set) => (row[8] === -1 ? '' : sample(name, set, row[8] > 0 ? 1 : 0))),
  },
  {
    family: gauge(
      'ospatch_node_reboot_required_since_timestamp_seconds',
      'When it was first seen that the node needs a reboot.',
    ),
    render: ofNodes((name, row, set) => known(name, set, row[8])),
  },
  {
    family: gauge('ospatch_node_services_outdated', 'Services, logins, containers and processes on replaced code.'),
    render: ofNodes((name, row, set) => (row[9] === -1 ? '' : sample(name, set, row[9]))),
  },
  {
    family: gauge(
      'ospatch_node_services_outdated_since_timestamp_seconds',
      'When it was first seen that something runs replaced code.',
    ),
    render: ofNodes((name, row, set) => known(name, set, row[10])),
  },
];

function pendingUpdates(name: string, set: string, pending: number, security: number): string {
  if (pending < 0) return '';
  const split = Math.min(security, pending);
  const other = sample(name, `${set},kind="other"`, pending - Math.max(0, split));
  return split < 0 ? other : sample(name, `${set},kind="security"`, split) + other;
}

/** `Debian GNU/Linux` of `Debian GNU/Linux 12.15`. A release of an EKS node group has no name. */
function osOf(version: string): string {
  const [, os] = /^(\D.*?)\s+v?\d/.exec(version) ?? [];
  return os ?? (/^\d/.test(version) ? 'EKS' : version);
}

/** Those that change by themselves, at `now` in seconds. */
export const TIMED_FAMILIES: readonly {
  family: Family;
  render: (name: string, cluster: ClusterSnapshot, set: string, now: number) => string;
}[] = [
  {
    family: gauge('ospatch_window_active', 'Whether a maintenance window is open.'),
    render: (name, { metrics: { windows }, fault }, set, now) =>
      fault === 'ended'
        ? ''
        : sample(name, set, windows.some(([start, end]) => start <= now && end !== null && now < end) ? 1 : 0),
  },
  {
    family: gauge('ospatch_window_next_start_timestamp_seconds', 'When the next maintenance window begins.'),
    render: (name, { metrics: { windows }, fault }, set, now) =>
      fault === 'ended' ? '' : known(name, set, windows.find(([start]) => start > now)?.[0] ?? 0),
  },
];

export const CORDONED = gauge('ospatch_node_cordoned_seconds', 'For how long ospatch has had the node cordoned.');

/** The set of labels that all series of a cluster have. */
export function clusterSet(cluster: string): string {
  return labels('cluster', cluster);
}
