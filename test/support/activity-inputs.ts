/** One valid input per activity, with every optional field, and the workflow that may start it. */
import type { AllActivities, InputOf } from '../../src/activities/input/types';
import { DEFAULT_DRAIN } from '../../src/domain/kubernetes/types';
import { DEFAULT_PACKAGE_POLICY } from '../../src/domain/spec/package-policy';
import type { NodeTarget } from '../../src/domain/spec/types';
import { alertmanagerDemands, loginDemands, notificationDemands } from '../../src/domain/policy/request';
import { nodeSpec } from './builders';

export type Inputs = {
  [K in keyof AllActivities]: InputOf<AllActivities[K]>;
};

export const TOKEN = '0123456789abcdef';
const AT = '2027-03-01T02:30:00.000Z';
const BOOT_ID = '6f9619ff-8b86-d011-b42d-00c04fc964ff';

/** The workflow of a node and of a node group, whose names are the same here. */
export const NODE_WORKFLOW = 'cluster/demo/node/w-1';
export const CLUSTER_WORKFLOW = 'cluster/demo';

const ALERTMANAGER = {
  url: ['https://alertmanager.example.com:9093', 'http://10.0.0.2:9093/am'],
  basicAuth: { username: 'ospatch', passwordFile: 'alertmanager' },
  caFile: 'ca.pem',
};

const TARGETS = [
  { name: 'hook', on: [], webhook: { url: 'https://[::1]:8443/ospatch', signingKeyFile: 'hook-key' } },
  { name: 'chat', on: [], slack: { channel: '#ops', tokenFile: 'slack-token' } },
  { name: 'pager', on: [], program: 'page' },
];
const SILENCES = {
  alertmanager: { url: ['https://alertmanager.example.com:9093'], bearerTokenFile: 'token' },
  matchers: ['instance=~"{{node}}(:.*)?"'],
  values: { node: 'w-1', host: '127.0.0.1', kubernetesName: 'w-1', cluster: 'demo' },
  workflowRunId: BOOT_ID,
  run: 3,
};

const ADMISSION = {
  ...{
    cluster: 'demo',
    name: 'applySpec',
    message: { spec: { name: 'demo' } },
    sender: 'ann',
    sealed: true,
    chain: '',
  },
  via: 'update' as const,
};

/** `port`: of the SSH servers. */
export function validInputs(port = 22, eksEndpoint = 'http://127.0.0.1:9'): Inputs {
  const { name, hostKeys } = nodeSpec('w-1');
  const login = { user: 'ospatch', port, identity: 'demo' };
  const jump = [{ host: '127.0.0.2', hostKeys, ...login }];
  const ssh = { ...login, helper: 'auto', transport: 'openssh', jump } as const;
  const target: NodeTarget = { cluster: 'demo', name, host: '127.0.0.1', ssh, hostKeys };
  const packages = { ...DEFAULT_PACKAGE_POLICY, only: 'security', exclude: ['nginx*'] } as const;
  const transaction = { target, token: TOKEN, attempt: 2, packages: { ...packages, exclude: ['nginx*'] } };
  const limits = { lockTimeoutMs: 7_200_000 };
  const wait = { lostTimeoutMs: 86_400_000, noticeAfterMs: 1_800_000, observedMs: 1.5, jobMs: 10 };
  const plan = { planDigest: 'a'.repeat(64), planned: 2 };
  const kube = { cluster: 'demo', node: 'w-1', nodeName: 'w-1', access: { kubeconfig: 'prod.yaml', context: 'prod' } };
  const machine = { machineId: 'c0ffee', bootId: BOOT_ID };
  const owner = { cluster: 'demo', node: 'w-1', run: 3, token: TOKEN };
  const policy = {
    ...DEFAULT_DRAIN,
    gracePeriod: '30s',
    podSelector: 'app=web',
    skipWaitForDeleteTimeout: '1m',
    rules: [{ podSelector: 'app=db', namespace: 'shop', action: 'skip', order: 1 } as const],
  };
  const workloads = [{ namespace: 'shop', kind: 'Deployment', name: 'web', availableBefore: 2 }];
  const baseline = { ready: true, pressure: ['DiskPressure'], daemonsetsNotReady: ['kube-system/cni'] };
  const access = { region: 'eu-west-1', cluster: 'Prod_1', profile: 'ops', endpoint: eksEndpoint };
  const nodeGroup = 'w-1';
  const unreachableTimeoutMs = 600_000;
  const schedule = [
    { preset: 'every-2-weeks', anchor: '2024-01-07', startWithin: '1h', spread: '30m' } as const,
    { custom: { month: 3, day: 1, hour: 2, minute: 30 }, startWithin: '1h', duration: '4h', cutoff: '1h' },
    { cron: '30 2 * * SUN#2', startWithin: '1h', timeZone: 'Europe/Berlin' },
    { once: '2027-03-01T02:30', startWithin: '1h', duration: '4h', cutoff: 'forecast' },
  ];
  const blackouts = [
    { from: '2026-12-24T00:00', to: '2026-12-27T00:00', reason: 'holidays', timeZone: 'UTC' },
    { cron: '0 0 1 * *', duration: '1d', reason: 'closing' },
    { ical: 'freeze.ics', reason: 'freeze' },
  ];
  const windows = { cluster: 'demo', schedule, timeZone: 'UTC', blackouts, since: AT, after: AT, now: AT, count: 5 };
  return {
    preflight: { ...transaction, ...limits, withoutDrain: true, unreachableTimeoutMs, observedMs: 5 },
    prefetch: { ...transaction, ...limits, ...plan, packageManager: 'apt', unreachableTimeoutMs },
    apply: { ...transaction, ...limits, ...plan, ...wait, packageManager: 'apt', beginByMs: 1_800_000_000_000 },
    repair: { ...transaction, ...limits, ...wait, packageManager: 'dnf' },
    restart: {
      ...{ target, token: TOKEN, attempt: 1, drained: false, beginByMs: 1_800_000_000_000, ...wait },
      policy: { mode: 'auto', services: ['php*-fpm'], ignore: ['db'], asReboot: true },
    },
    reboot: { target, bootId: BOOT_ID, command: 'reboot-safely', beginByMs: 1_800_000_000_000, ...wait },
    powerCycle: { target, hook: 'ipmi' },
    inspectFailedNode: { ...transaction, unreachableTimeoutMs },
    readFacts: { target, unreachableTimeoutMs, observedMs: 5 },
    inspectNode: {
      ...{ target, unreachableTimeoutMs, observedMs: 5, factsLimitMs: 30_000, planLimitMs: 60_000 },
      policy: { withoutDrain: false, rebootIfRequired: true, packages: { ...packages, exclude: [] } },
      ineffectiveReboot: { bootId: BOOT_ID, reasons: ['package linux-image'], stamp: null },
      changeNothing: true,
    },
    unreachableNodes: { targets: [target] },
    probeHostKeys: { targets: [target] },
    readLog: { target, unreachableTimeoutMs, observedMs: 5, token: TOKEN, maxBytes: 1_024 },
    drainPreview: { target: kube, machine, policy, unreachableTimeoutMs },
    cordon: { target: kube, machine, owner, unreachableTimeoutMs },
    drain: {
      ...{ target: kube, machine, owner, policy, unreachableTimeoutMs, startedAt: AT },
      planned: { evict: 3, workloads },
      again: true,
    },
    awaitHealthy: { target: kube, machine, baseline, timeoutMs: 600_000 },
    uncordon: { target: kube, owner },
    awaitWorkloads: { target: kube, workloads, timeoutMs: 600_000 },
    outOfService: { cluster: 'demo', access: kube.access, nodeNames: ['w-1'] },
    findStaleCordons: { cluster: 'demo', access: kube.access },
    listNodegroups: { access },
    describeNodegroup: { access, nodeGroup, afterUpdate: true },
    beginNodegroupUpdate: {
      ...{ access, nodeGroup, version: '1.31', force: false, found: '1.31.3-20250103', adopted: true },
      request: { cluster: 'demo', run: 3, startedAt: AT },
    },
    followNodegroupUpdate: { access, nodeGroup, updateId: 'c0ffee-1', what: 'the update of node group w-1 at AWS' },
    inspectEksCluster: { access, nodeGroups: [nodeGroup], launchTemplates: true },
    nextWindows: windows,
    nextWindowsByFiles: windows,
    checkSpec: { spec: { name: 'demo' } },
    checkFirstSpec: {
      spec: { name: 'demo' },
      after: AT,
      count: 5,
      request: { ...ADMISSION, via: 'start', receivedAt: AT },
    },
    checkState: { state: { version: 1 }, cluster: 'demo' },
    admit: ADMISSION,
    readAlerts: {
      cluster: 'demo',
      alertmanager: ALERTMANAGER,
      filter: {
        block: ['severity="critical"'],
        ignore: ['Watchdog', 'team="web", severity=~"info|none"'],
        watchdog: 'Watchdog',
        startupGraceMs: 120_000,
      },
      known: { result: 'unknown', names: ['HighLoad'], total: 1, why: 'alertmanager:9093 does not answer' },
    },
    silenceNode: { silences: SILENCES, leaseMs: 600_000, keepUntil: AT },
    endSilence: { silences: SILENCES, tailMs: 0 },
    searchAttributes: undefined,
    recordAudit: {
      cluster: 'demo',
      trigger: 'schedule',
      result: {
        kind: 'node-group',
        ...{ node: 'w-1', run: 3, outcome: 'patched', startedAt: AT, endedAt: AT, appliedAt: null },
        ...{ warnings: [], steps: [], error: null, before: null, after: null, updateId: null, adopted: false },
      },
    },
    notificationDefaults: { cluster: 'demo' },
    notify: {
      ...{ cluster: 'demo', createdAt: AT, at: AT, news: [{ event: 'window-missed', key: 'window-missed' }] },
      target: { name: 'ops', on: ['window-missed'], webhook: { url: 'https://hooks.example.com/ospatch' } },
      report: { kind: 'window', window: AT, result: 'missed (paused)', nextWindow: AT },
      thread: { id: '1700000000.000100', place: 'C1' },
    },
    lastRun: { cluster: 'demo', createdAt: AT, after: 0 },
    awaitNodePatches: [{ workflowId: NODE_WORKFLOW, workflowRunId: '' }],
    cancelChildren: 'cluster/demo/run/3-abc',
    awaitWorkflowClosed: NODE_WORKFLOW,
    explainPolicy: {
      cluster: 'demo',
      requests: [
        { kind: 'login', node: 'w-1', taskQueue: 'ospatch', demands: loginDemands(target) },
        { kind: 'alerts', node: null, taskQueue: 'ospatch', demands: alertmanagerDemands(ALERTMANAGER) },
        { kind: 'notifications', node: null, taskQueue: 'ospatch', demands: TARGETS.flatMap(notificationDemands) },
      ],
    },
  };
}
