import type { StatusLine } from '../../../src/domain/explain/explanation';
import { windowAt } from '../../support/builders';
import { renderStatus } from '../../../src/cli/render/status';
import { NOW, PLAIN, live, node, runStatus, status, summary } from '../support';

const VIEW = { now: NOW, zone: 'UTC', color: PLAIN };

function line(text: string, start: string): string {
  return text.split('\n').find((one) => one.startsWith(start)) ?? `no line ${start}`;
}

describe('src/cli/render/status', () => {
  test('shows the next window in the time zone of the cluster and in that of the reader', () => {
    const berlin = status([node('w-1')], {
      timeZone: 'Europe/Berlin',
      nextWindow: windowAt('2026-11-29T00:00:00+01:00'),
    });
    const text = renderStatus(berlin, null, VIEW);
    expect(line(text, 'Next window')).toContain('Sun 2026-11-29 00:00 Europe/Berlin = Sat 2026-11-28 23:00 UTC');
    expect(line(renderStatus(berlin, null, { ...VIEW, zone: 'Europe/Berlin' }), 'Next window')).not.toContain('=');
  });

  test('suggests to follow a run in progress, unless the status is followed already', () => {
    const statusLines: StatusLine[] = [
      {
        ...{ severity: 'active', subject: 'cluster', name: null, kind: 'in-work', what: 'run 7 is in progress' },
        ...{ because: '0 of 1 node done', since: null, until: null, change: ['ospatch status prod --watch'] },
      },
    ];
    const running = { ...status([node('w-1')], { state: 'running', run: runStatus(7) }), statusLines };
    expect(renderStatus(running, null, VIEW)).toContain('next: ospatch status prod --watch');
    expect(renderStatus(running, null, { ...VIEW, isWatched: true })).not.toContain('next:');
  });

  test('names nodes that are locked, by whom, until when and why, as long as the lock lasts', () => {
    const lock = { at: '2026-11-28T00:00:00Z', by: 'ann', reason: 'incident', until: null };
    const over = { ...lock, until: new Date(NOW - 1).toISOString() };
    const text = renderStatus(status([node('w-1', { lock }), node('w-2', { lock: over })]), null, VIEW);
    expect(line(text, 'w-1  ')).toContain('unknown, locked');
    expect(text).toContain('\nw-1 is locked by ann: incident\n');
    expect(line(text, 'w-2  ')).not.toContain('locked');
  });

  test('reports a missing schedule, or an unknown next window', () => {
    expect(line(renderStatus(status([]), null, VIEW), 'Next window')).toContain('none, on demand only');
    const broken = renderStatus(status([], { scheduleError: 'no such zone' }), null, VIEW);
    expect(line(broken, 'Next window')).toContain('unknown');
    expect(line(broken, 'Schedule error')).toContain('no such zone');
  });

  test('shows how long a wait lasts and when its limit is reached, also in a paused run', () => {
    const hour = 3_600_000;
    const wait = {
      waitingFor: 'the node to answer: no route',
      waitingSince: new Date(NOW - 3 * hour).toISOString(),
      waitingUntil: new Date(NOW + 21 * hour).toISOString(),
    };
    const paused = { at: '2026-11-23T10:00:00Z', by: 'bob', reason: 'audit', since: '2026-11-23T09:00:00Z' };
    const run = runStatus(7, { state: 'paused' });
    const current = [live('w-1', { step: 'apply', ...wait })];
    const text = renderStatus({ ...status([node('w-1')], { state: 'paused', paused, run }), current }, null, VIEW);
    expect(text).toContain('\nw-1 apply, waiting 3h (21h left) for the node to answer: no route');
    expect(line(text, 'Paused')).toMatch(/since .*09:00.*, last by bob at .*10:00.*: audit$/);
  });

  test('shows what an EKS node group waits for', () => {
    const waitingFor = 'a worker of task queue site-b';
    const current = [live('blue', { step: 'apply', waitingFor })];
    const text = renderStatus({ ...status([node('blue')], { type: 'eks' }), current }, null, VIEW);
    expect(line(text, 'blue apply')).toContain(`waiting for ${waitingFor}`);
  });

  test('shows who paused the cluster and why, what runs, and what was rejected', () => {
    const text = renderStatus(
      status([node('w-1')], {
        state: 'running',
        ready: false,
        paused: { at: '2026-11-23T10:00:00Z', by: 'ann', reason: 'freeze' },
        run: runStatus(7, { done: 1 }),
        lastRun: summary(6, { outcome: 'stopped', patched: 1, failed: 1, notTried: 2 }),
        lastRejection: { at: '2026-11-23T09:00:00Z', by: 'bob', request: 'patchNow', message: 'it is paused' },
      }),
      'run 7 is in progress',
      VIEW,
    );
    expect(line(text, 'State')).toContain('running, not ready: run 7 is in progress');
    expect(line(text, 'Paused')).toContain('by ann since 2026-11-23 10:00:00: freeze');
    expect(line(text, 'Run')).toContain('7 (on-demand), running for 1m30s, 1 of 2 nodes done');
    expect(line(text, 'Last run')).toContain('1 patched, 1 failed, 2 not tried');
    expect(line(text, 'Last refusal')).toContain('patchNow by bob at 2026-11-23 09:00:00: it is paused');
  });

  test('shows Last Applied Patch Time, Patched Version and the current step of each node', () => {
    const text = renderStatus(
      status(
        [
          node('w-1', { lastAppliedPatchTime: '2026-11-01T02:03:04Z', patchedVersion: 'Debian GNU/Linux 12.15' }),
          node('w-2', { state: 'patching', rebootRequired: true, pendingUpdates: 0 }),
        ],
        { current: [live('w-2', { step: 'apply', done: 3, total: 12 })] },
      ),
      null,
      VIEW,
    );
    expect(text).toMatch(
      /^Node +Role +State +Last Applied Patch Time +Patched Version +Kernel +Pending +Reboot +Last error$/m,
    );
    expect(line(text, 'w-1')).toMatch(/2026-11-01 02:03:04 +Debian GNU\/Linux 12\.15/);
    expect(line(text, 'w-2')).toMatch(/patching \(apply 3\/12\).* 0 +required/);
  });

  test('prints no terminal escape sent by a node', () => {
    const error = { type: 'PackageManager', message: 'bad \u001b[2J\nthing' } as const;
    const text = renderStatus(status([node('w-1', { state: 'failed', lastError: error })]), null, VIEW);
    expect(line(text, 'w-1  ')).toContain('PackageManager: bad  [2J thing');
    expect(text).not.toContain('\u001b');
  });

  test('has no window and no node table for a cluster that is not patched by ospatch', () => {
    const text = renderStatus(status([], { type: 'aks', state: 'not-patchable' }), 'Azure patches it', VIEW);
    expect(text).not.toMatch(/Next window|Node /);
    expect(text).toContain('not-patchable: Azure patches it');
  });

  test('shows the progress of a drain with the blocking pod and its budget', () => {
    const text = renderStatus(
      status([node('w-1', { state: 'patching' })], {
        current: [
          live('w-1', {
            step: 'drain',
            done: 12,
            total: 40,
            waitingFor: 'shop/web-1: the budget web allows no disruption, and 1 more',
            waitingSince: new Date(NOW - 200_000).toISOString(),
            blocked: ['web-1', 'web-2'].map((name, at) => ({
              namespace: 'shop',
              name,
              why: 'the budget web allows no disruption',
              since: new Date(NOW - 200_000 + at * 140_000).toISOString(),
            })),
          }),
        ],
      }),
      null,
      VIEW,
    );
    expect(text).toMatch(/^w-1 +worker +patching \(drain 12\/40 pods\)/m);
    expect(text).toContain(
      '\nw-1 drain 12/40 pods, waiting 3m20s for shop/web-1: the budget web allows no disruption, and 1 more\n' +
        '  shop/web-2: the budget web allows no disruption, for 1m\n',
    );
  });

  test('shows which task queue has no worker for a node', () => {
    const waitingFor = 'a worker of task queue site-b';
    const text = renderStatus(
      status([node('w-1', { state: 'patching' })], { current: [live('w-1', { step: 'preflight', waitingFor })] }),
      null,
      VIEW,
    );
    expect(text).toMatch(/^w-1 preflight, waiting for a worker of task queue site-b$/m);
  });
});
