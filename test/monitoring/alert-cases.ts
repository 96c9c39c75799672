/** What the exporter shows, and whether an alert fires. */

export interface AlertCase {
  alert: string;
  /** What the case is about. */
  when: string;
  fires: boolean;
  /** Series and their values in the notation of promtool, without the labels of the target. */
  series: Record<string, string>;
  /** Time of the evaluation. */
  at: string;
  /** Between two values, and between two evaluations; default 1m. */
  interval?: string;
  /** Labels of the alert besides severity and job. */
  labels?: Record<string, string>;
  /** What the value of the expression is called in the annotations. */
  lasted?: string;
  /** Label of the alert; null: none. Default that of the exporter. */
  job?: null;
}

const NODE = { cluster: 'prod-eu', node: 'w-3' };
const CLUSTER = { cluster: 'prod-eu' };
const node = (name: string, more = ''): string => `${name}{cluster="prod-eu",node="w-3"${more}}`;
const cluster = (name: string, more = ''): string => `${name}{cluster="prod-eu"${more}}`;
const nodeState = (state: string): string => node('ospatch_node_state', `,state="${state}"`);
const waiting = (reason: string): string => cluster('ospatch_run_waiting', `,reason="${reason}"`);
const LAST_SUCCESS = 'ospatch_exporter_last_success_timestamp_seconds';
const LAST_PROGRESS = cluster('ospatch_run_last_progress_timestamp_seconds');
const PAUSED = cluster('ospatch_cluster_paused');
const MISSED = cluster('ospatch_windows_missed_total');
const REBOOT_SINCE = node('ospatch_node_reboot_required_since_timestamp_seconds');
const OUTDATED_SINCE = node('ospatch_node_services_outdated_since_timestamp_seconds');
const CORDONED = node('ospatch_node_cordoned_seconds');
const WORKERS = 'ospatch_site_workers{site="ospatch-edge"}';

/** The series of an exporter that is replaced within minutes. */
const AWAY = 'stale _x8';

/** One value each half an hour for a day. */
const LONG = 'x48';
const SLOW = '30m';

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'OspatchNodeFailed',
    when: 'a node has failed',
    fires: true,
    series: { [nodeState('failed')]: '0 1x20', [nodeState('patched')]: '1 0x20' },
    at: '10m',
    labels: { ...NODE, state: 'failed' },
  },
  {
    alert: 'OspatchNodeFailed',
    when: 'a node failed and was patched by a retry within minutes',
    fires: false,
    series: { [nodeState('failed')]: '0 1 1 1 0x20', [nodeState('patched')]: '1 0 0 0 1x20' },
    at: '10m',
  },
  {
    alert: 'OspatchNodeFailed',
    when: 'the exporters are restarted while a node has failed',
    fires: true,
    series: { [nodeState('failed')]: `0 1x9 ${AWAY} 1x20` },
    at: '17m',
    labels: { ...NODE, state: 'failed' },
  },
  {
    alert: 'OspatchNodeFailed',
    when: 'the exporters have been away for so long that nothing is known',
    fires: false,
    series: { [nodeState('failed')]: '0 1x9 stale' },
    at: '40m',
  },
  {
    alert: 'OspatchNodeQuarantined',
    when: 'a node shows another host key',
    fires: true,
    series: { [nodeState('quarantined')]: '0 1x20' },
    at: '2m',
    labels: { ...NODE, state: 'quarantined' },
  },
  {
    alert: 'OspatchNodeQuarantined',
    when: 'a node has failed for another reason',
    fires: false,
    series: { [nodeState('quarantined')]: '0x20', [nodeState('failed')]: '1x20' },
    at: '20m',
  },
  {
    alert: 'OspatchRunStuck',
    when: 'no node began or ended for four hours',
    fires: true,
    series: { [LAST_PROGRESS]: `0${LONG}`, [LAST_SUCCESS]: `0+1800${LONG}`, [waiting('window')]: `0${LONG}` },
    interval: SLOW,
    at: '4h',
    labels: CLUSTER,
    lasted: '4h 0m 0s',
  },
  {
    alert: 'OspatchRunStuck',
    when: 'nodes begin and end',
    fires: false,
    series: { [LAST_PROGRESS]: `0+1800${LONG}`, [LAST_SUCCESS]: `0+1800${LONG}`, [waiting('window')]: `0${LONG}` },
    interval: SLOW,
    at: '4h',
  },
  {
    alert: 'OspatchRunStuck',
    when: 'the run waits for its window',
    fires: false,
    series: { [LAST_PROGRESS]: `0${LONG}`, [LAST_SUCCESS]: `0+1800${LONG}`, [waiting('window')]: `1${LONG}` },
    interval: SLOW,
    at: '12h',
  },
  {
    alert: 'OspatchRunStuck',
    when: 'Temporal has not been reached for hours, so nothing is known of the run',
    fires: false,
    series: { [LAST_PROGRESS]: `0${LONG}`, [LAST_SUCCESS]: `600${LONG}`, [waiting('window')]: `0${LONG}` },
    interval: SLOW,
    at: '12h',
  },
  {
    alert: 'OspatchRunBlocked',
    when: 'the failure budget is spent',
    fires: true,
    series: { [waiting('budget')]: '1x60', [waiting('soak')]: '0x60' },
    at: '30m',
    labels: { ...CLUSTER, reason: 'budget' },
  },
  {
    alert: 'OspatchRunBlocked',
    when: 'a gate holds the next node',
    fires: true,
    series: { [waiting('gate')]: '1x60' },
    at: '30m',
    labels: { ...CLUSTER, reason: 'gate' },
  },
  {
    alert: 'OspatchRunBlocked',
    when: 'nobody knows how many nodes are out of service',
    fires: true,
    series: { [waiting('other')]: '1x60' },
    at: '30m',
    labels: { ...CLUSTER, reason: 'other' },
  },
  {
    alert: 'OspatchRunBlocked',
    when: 'the run soaks',
    fires: false,
    series: { [waiting('budget')]: '0x60', [waiting('soak')]: '1x60' },
    at: '1h',
  },
  {
    alert: 'OspatchRunBlocked',
    when: 'too many nodes were out of service for a moment',
    fires: false,
    series: { [waiting('max-unavailable')]: '1x10 0x10 1x10' },
    at: '30m',
  },
  {
    alert: 'OspatchPausedTooLong',
    when: 'a cluster was paused and forgotten, in the middle of a run',
    fires: true,
    series: { [PAUSED]: '0x2 1x400', [waiting('paused')]: '0x2 1x400' },
    interval: SLOW,
    at: '4d',
    labels: CLUSTER,
  },
  {
    alert: 'OspatchPausedTooLong',
    when: 'the exporters were restarted meanwhile',
    fires: true,
    series: { [PAUSED]: '1x200 stale _x1 1x800' },
    interval: '5m',
    at: '73h',
    labels: CLUSTER,
  },
  {
    alert: 'OspatchPausedTooLong',
    when: 'a cluster is paused for a weekend',
    fires: false,
    series: { [PAUSED]: '0x2 1x120 0x200' },
    interval: SLOW,
    at: '4d',
  },
  {
    alert: 'OspatchWindowMissed',
    when: 'a window was missed two hours ago',
    fires: true,
    series: { [MISSED]: '3x2 4x10' },
    interval: SLOW,
    at: '3h',
    labels: CLUSTER,
  },
  {
    alert: 'OspatchWindowMissed',
    when: 'the windows that were missed are long ago',
    fires: false,
    series: { [MISSED]: '3x2 4x40' },
    interval: SLOW,
    at: '10h',
  },
  {
    alert: 'OspatchRebootPendingTooLong',
    when: 'a node has needed a reboot for eight days',
    fires: true,
    series: { [REBOOT_SINCE]: '0x400' },
    interval: SLOW,
    at: '8d',
    labels: NODE,
    lasted: '8d 0h 0m 0s',
  },
  {
    alert: 'OspatchRebootPendingTooLong',
    when: 'a node has needed a reboot for six days',
    fires: false,
    series: { [REBOOT_SINCE]: '0x400' },
    interval: SLOW,
    at: '6d',
  },
  {
    alert: 'OspatchRebootPendingTooLong',
    when: 'the node was rebooted, so there is no series any more',
    fires: false,
    series: { [REBOOT_SINCE]: '0x340 stale' },
    interval: SLOW,
    at: '8d',
  },
  {
    alert: 'OspatchRestartPendingTooLong',
    when: 'services have run replaced code for eight days',
    fires: true,
    series: { [OUTDATED_SINCE]: '0x400' },
    interval: SLOW,
    at: '8d',
    labels: NODE,
    lasted: '8d 0h 0m 0s',
  },
  {
    alert: 'OspatchRestartPendingTooLong',
    when: 'services have run replaced code for six days',
    fires: false,
    series: { [OUTDATED_SINCE]: '0x400' },
    interval: SLOW,
    at: '6d',
  },
  {
    alert: 'OspatchLeftCordoned',
    when: 'a node that is not being patched is cordoned',
    fires: true,
    series: { [CORDONED]: '0+60x60', [nodeState('patching')]: '1x5 0x55', [nodeState('failed')]: '0x5 1x55' },
    at: '40m',
    labels: NODE,
    lasted: '40m 0s',
  },
  {
    alert: 'OspatchLeftCordoned',
    when: 'a node in work is drained for hours',
    fires: true,
    series: { [CORDONED]: `0+1800${LONG}`, [nodeState('patching')]: `1${LONG}` },
    interval: SLOW,
    at: '7h',
    labels: NODE,
    lasted: '7h 0m 0s',
  },
  {
    alert: 'OspatchLeftCordoned',
    when: 'a node in work is cordoned',
    fires: false,
    series: { [CORDONED]: '0+60x120', [nodeState('patching')]: '1x120' },
    at: '2h',
  },
  {
    alert: 'OspatchSiteWithoutWorker',
    when: 'the last worker of a site is gone',
    fires: true,
    series: { [WORKERS]: '2x10 0x60' },
    at: '30m',
    labels: { site: 'ospatch-edge' },
  },
  {
    alert: 'OspatchSiteWithoutWorker',
    when: 'the exporters are restarted while a site has no worker',
    fires: true,
    series: { [WORKERS]: `0x20 ${AWAY} 0x20` },
    at: '26m',
    labels: { site: 'ospatch-edge' },
  },
  {
    alert: 'OspatchSiteWithoutWorker',
    when: 'the only worker of a site was restarted',
    fires: false,
    series: { [WORKERS]: '1x10 0x5 1x60' },
    at: '30m',
  },
  {
    alert: 'OspatchClusterStuck',
    when: 'the workflow of a cluster is stuck',
    fires: true,
    series: { [cluster('ospatch_cluster_state', ',state="stuck"')]: '1x60' },
    at: '20m',
    labels: { ...CLUSTER, state: 'stuck' },
  },
  {
    alert: 'OspatchClusterStuck',
    when: 'the workflow of a cluster was ended without removing the cluster',
    fires: true,
    series: { [cluster('ospatch_cluster_state', ',state="ended"')]: '1x60' },
    at: '20m',
    labels: { ...CLUSTER, state: 'ended' },
  },
  {
    alert: 'OspatchClusterStuck',
    when: 'workers were replaced',
    fires: false,
    series: {
      [cluster('ospatch_cluster_state', ',state="stuck"')]: '0x5 1x5 0x60',
      [cluster('ospatch_cluster_state', ',state="idle"')]: '1x5 0x5 1x60',
    },
    at: '20m',
  },
  {
    alert: 'OspatchClustersUnreadable',
    when: 'an exporter has not got the new key',
    fires: true,
    series: { ospatch_clusters_unreadable: '0x5 3x60' },
    at: '30m',
    lasted: '3',
  },
  {
    alert: 'OspatchClustersUnreadable',
    when: 'a cluster was created a moment ago',
    fires: false,
    series: { ospatch_clusters_unreadable: '0x5 1 0x60' },
    at: '30m',
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'no exporter answers',
    fires: true,
    series: {},
    at: '15m',
    job: null,
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'the exporters cannot reach Temporal',
    fires: true,
    series: { ospatch_up: '1x10 0x60', [LAST_SUCCESS]: '0+60x10 600x60' },
    at: '30m',
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'the exporters of one of two namespaces are gone',
    fires: true,
    series: { ospatch_up: '1x10 stale', 'ospatch_up{job="ospatch-test"}': '1x60' },
    at: '30m',
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'the exporters read nothing in full, although Temporal answers',
    fires: true,
    series: { ospatch_up: '1x60', [LAST_SUCCESS]: '0x60' },
    at: '30m',
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'clusters are read',
    fires: false,
    series: { ospatch_up: '1x60', [LAST_SUCCESS]: '0+60x60' },
    at: '30m',
  },
  {
    alert: 'OspatchExporterAbsent',
    when: 'Temporal was restarted',
    fires: false,
    series: { ospatch_up: '1x10 0x5 1x60', [LAST_SUCCESS]: '0+60x10 600x5 960+60x60' },
    at: '30m',
  },
];
