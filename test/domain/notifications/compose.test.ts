import { INPUT_SCHEMAS } from '../../../src/activities/input/schemas';
import { composeMessage, plainMessage } from '../../../src/domain/notifications/compose';
import type { Report, RunNotice } from '../../../src/domain/notifications/report';
import { golden } from '../../support/golden';

const RUN: RunNotice = {
  ...{ kind: 'run', run: 5, trigger: 'schedule', unit: 'node', by: null, reason: null },
  ...{ startedAt: '2026-11-29T01:00:04.120Z', total: 12, members: {}, failed: [], quarantined: [], unreachable: [] },
  ...{ nextWindow: '2026-12-06T00:00:00+01:00', reboots: true },
};
const failed = [
  {
    name: 'w-3',
    message: 'dpkg on w-3 failed: no space left on device in /boot',
    remedy: 'free 120 MB in /boot, then ospatch retry prod-eu w-3',
    changed: true as const,
  },
];
const members: RunNotice['members'] = {
  patched: { count: 7, names: ['w-1', 'w-2', 'w-4', 'w-5', 'w-6'] },
  'up-to-date': { count: 2, names: ['w-7', 'w-8'] },
  'reboot-pending': { count: 1, names: ['w-9'] },
  failed: { count: 1, names: ['w-3'] },
};
const end = { at: '2026-11-29T01:42:10.000Z', outcome: 'failed' as const };
const expiresAt = '2026-12-13T01:00:04.120Z';

const REPORTS: [string, Report][] = [
  ['run-started', RUN],
  ['run-requested', { ...RUN, trigger: 'on-demand', by: 'alice@ops', reason: 'CVE-2026-1234' }],
  [
    'run-succeeded',
    { ...RUN, members: { patched: { count: 12, names: ['w-1'] } }, end: { ...end, outcome: 'succeeded' } },
  ],
  [
    'run-reboots',
    {
      ...RUN,
      reboots: false,
      members: { 'reboot-pending': members['reboot-pending'] as never },
      end: { ...end, outcome: 'succeeded' },
    },
  ],
  ['run-failed', { ...RUN, members, failed, end }],
  [
    'run-stopped',
    {
      ...RUN,
      members: { ...members, 'not-tried': { count: 1, names: ['w-12'] } },
      failed,
      end: { ...end, outcome: 'stopped' },
    },
  ],
  [
    'run-failed-paused',
    {
      ...RUN,
      members: { failed: { count: 12, names: ['w-3'] } },
      failed,
      end,
      paused: { by: 'alice', reason: 'release' },
    },
  ],
  ['run-cancelled', { ...RUN, members, end: { ...end, outcome: 'cancelled', cancelledBy: 'bob' } }],
  ['run-removed', { ...RUN, members, end: { ...end, outcome: 'cancelled', cancelledBy: 'bob' }, removing: true }],
  ['run-expired', { ...RUN, members, nextWindow: null, end: { ...end, outcome: 'expired' } }],
  ['run-window', { ...RUN, members, failed, waits: { kind: 'window', next: RUN.nextWindow }, expiresAt }],
  [
    'run-window-too-late',
    { ...RUN, waits: { kind: 'window', next: RUN.nextWindow }, expiresAt: '2026-12-01T00:00:00.000Z' },
  ],
  [
    'run-paused',
    { ...RUN, waits: { kind: 'paused', by: 'alice', reason: 'release', since: '2026-11-29T01:10:00.000Z' }, expiresAt },
  ],
  ['run-blocked', { ...RUN, members, failed, waits: { kind: 'budget', failures: 1, limit: 0 }, expiresAt }],
  [
    'run-held-by-alerts',
    {
      ...RUN,
      waits: {
        ...{ kind: 'held', limit: 'alerts', message: '2 alerts fire: TargetDown, KubeNodeNotReady' },
        since: '2026-11-29T01:10:00.000Z',
      },
    },
  ],
  [
    'run-held-by-alert-gate',
    {
      ...RUN,
      waits: {
        ...{ kind: 'held', limit: 'alerts-unknown', message: 'which alerts fire is not known: no answer for 10 s' },
        since: '2026-11-29T01:10:00.000Z',
      },
    },
  ],
  [
    'run-held-by-nodes',
    {
      ...RUN,
      waits: {
        ...{
          kind: 'held',
          limit: 'max-unavailable',
          message: '1 node is unavailable (w-7), and no more than 1 may be',
        },
        since: '2026-11-29T01:10:00.000Z',
      },
    },
  ],
  ['node-failed', { ...RUN, members: { failed: { count: 1, names: ['w-3'] } }, failed }],
  [
    'node-failed-paused',
    {
      ...RUN,
      members: { failed: { count: 1, names: ['w-3'] } },
      failed,
      paused: { by: 'alice', reason: null },
    },
  ],
  ['node-failed-cancelling', { ...RUN, members: { failed: { count: 1, names: ['w-3'] } }, failed, cancelling: true }],
  [
    'run-error',
    {
      ...RUN,
      members: { patched: { count: 1, names: ['w-1'] } },
      end: { ...end, error: 'run 5 was terminated in Temporal' },
    },
  ],
  [
    'run-skipped',
    {
      ...RUN,
      members: { 'up-to-date': { count: 1, names: ['w-1'] }, skipped: { count: 2, names: ['w-2', 'w-3'] } },
      end: { ...end, outcome: 'succeeded' },
    },
  ],
  [
    'node-quarantined',
    { ...RUN, quarantined: [{ name: 'w-2', message: 'w-2 shows another host key than the trusted one' }] },
  ],
  [
    'node-unreachable',
    { ...RUN, unreachable: [{ name: 'w-2', message: 'w-2 has not come back from its reboot for 30m' }] },
  ],
  [
    'window-missed',
    {
      kind: 'window',
      window: '2026-11-29T00:00:00+01:00',
      result: 'missed (no worker was running in time)',
      nextWindow: RUN.nextWindow,
    },
  ],
  [
    'window-paused',
    {
      kind: 'window',
      window: '2026-11-29T00:00:00+01:00',
      result: 'missed (paused)',
      nextWindow: RUN.nextWindow,
      paused: { by: 'alice', reason: 'release' },
    },
  ],
  [
    'reboots',
    {
      kind: 'reboot',
      after: '3d',
      nodes: { count: 2, names: ['w-1', 'w-2'] },
      since: '2026-11-25T02:00:00.000Z',
      newest: '2026-11-25T04:00:00.000Z',
      reboots: true,
      nextWindow: RUN.nextWindow,
    },
  ],
  [
    'stuck',
    {
      kind: 'stuck',
      at: '2026-11-28T00:00:00.000Z',
      cause: 'loop',
      message: 'the cluster keeps deciding without an end',
    },
  ],
  [
    'windows-unknown',
    {
      kind: 'stuck',
      at: '2026-11-28T00:00:00.000Z',
      cause: 'windows',
      message: 'the calendar freeze.ics cannot be read',
    },
  ],
  ['test', { kind: 'test', by: 'alice' }],
];

it('says what happened, what was done, what comes next and which command steers it', () => {
  const texts = REPORTS.map(
    ([name, report]) => `=== ${name}\n${plainMessage('prod-eu', composeMessage('prod-eu', report))}\n`,
  );
  const text = texts.join('\n');
  expect(text).toBe(golden(__dirname, 'messages', text));
});

it.each(REPORTS)('reaches the worker that sends it as it is: %s', (_name, report) => {
  const at = '2026-11-29T01:00:04.120Z';
  const target = { name: 'ops', on: ['run-finished'], fromWorker: true };
  const input = { cluster: 'prod-eu', createdAt: at, at, target, report, news: [], thread: null };
  expect(INPUT_SCHEMAS.notify.parse(input)).toMatchObject({ report });
});
