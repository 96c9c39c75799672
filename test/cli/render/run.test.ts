import { renderHistory } from '../../../src/cli/render/history';
import { renderRun } from '../../../src/cli/render/run';
import type { NodePatchResult } from '../../../src/domain/node/patch';
import { settled } from '../../support/builders';
import { PLAIN, summary } from '../support';

const before = {
  at: '2026-11-23T11:58:01Z',
  osVersion: 'Debian GNU/Linux 12.14',
  kernel: '6.1.0-44-amd64',
  bootId: 'boot-1',
  packageSetDigest: 'sha256:1',
  rebootRequired: false,
};

const record: NodePatchResult = {
  kind: 'node',
  node: 'w-1',
  run: 7,
  outcome: 'patched',
  token: '0123456789abcdef',
  startedAt: '2026-11-23T11:58:00Z',
  endedAt: '2026-11-23T11:59:05Z',
  changes: [
    { name: 'openssl', arch: 'amd64', from: '3.0.20', to: '3.0.22' },
    { name: 'new-one', from: null, to: '1.0' },
    { name: 'evil\u001b[2J', from: '1', to: null },
  ],
  keptBack: [{ name: 'kubelet', reason: 'kubernetes' }],
  keptConfigFiles: ['/etc/foo.conf.dpkg-dist'],
  appliedAt: '2026-11-23T11:58:40Z',
  before,
  after: { ...before, osVersion: 'Debian GNU/Linux 12.15', bootId: 'boot-2', packageSetDigest: 'sha256:2' },
  reboots: 1,
  pendingUpdates: 0,
  rebootReasons: ['linux-image'],
  warnings: [{ kind: 'hidden-updates', message: 'openssl 3.0.23 is hidden', remedy: 'unhide it' }],
  steps: [{ step: 'apply', startedAt: '2026-11-23T11:58:10Z', durationMs: 12_340 }],
  error: null,
};

describe('src/cli/render/run', () => {
  test('shows packages, versions, boot ids, reboot reasons, steps and digest of a node', () => {
    const text = renderRun(
      'demo',
      { run: 7, summary: summary(7), nodes: [{ settled: settled('w-1'), record }] },
      PLAIN,
      'UTC',
    );
    expect(text).toContain('succeeded at 2026-11-23 11:59:05 after 1m5s: 2 patched');
    expect(text).toMatch(/OS +Debian GNU\/Linux 12\.14 -> Debian GNU\/Linux 12\.15/);
    expect(text).toMatch(/Kernel +6\.1\.0-44-amd64$/m);
    expect(text).toMatch(/Boot id +boot-1 -> boot-2/);
    expect(text).toMatch(/Reboots +1 \(linux-image\)/);
    expect(text).toMatch(/Steps +apply 12s/);
    expect(text).toMatch(/Package set +sha256:2/);
    expect(text).toMatch(/Kept back +kubelet \(kubernetes\)/);
    expect(text).toContain('openssl:amd64 3.0.20 -> 3.0.22');
    expect(text).toContain('new-one 1.0 (new)');
    expect(text).toContain('evil [2J 1 (removed)');
  });

  test('shows what remains of a node whose record is past its retention', () => {
    const one = settled('w-1', { workflowRunId: 'r', packagesChanged: 3 });
    const text = renderRun('demo', { run: 7, summary: null, nodes: [{ settled: one, record: null }] }, PLAIN, 'UTC');
    expect(text).toContain('3 packages changed; the list is past its retention');
  });

  test('shows only the reason for a skipped node', () => {
    const error = { type: 'NotTried', message: 'the run stopped before this node' } as const;
    const one = settled('w-1', { outcome: 'not-tried', error });
    const text = renderRun('demo', { run: 7, summary: null, nodes: [{ settled: one, record: null }] }, PLAIN, 'UTC');
    expect(text).toMatch(/w-1 +not-tried\n +Reason +the run stopped before this node/);
    expect(text).not.toContain('Reboots');
  });
});

describe('src/cli/render/history', () => {
  const CREATED_AT = '2026-11-01T00:00:00.000Z';

  test('lists runs with requester, reason and counts, and windows with their outcome', () => {
    const runs = [summary(7, { outcome: 'failed', failed: 1, patched: 1, reason: 'CVE' })];
    const windows = [{ at: '2026-11-22T00:00:00+01:00', result: 'missed (paused)' }];
    const by = 'ann';
    const requests = [
      { at: '2026-11-23T12:00:00Z', request: 'cancelRun', by, reason: 'wrong cluster', result: 'run 7' },
    ];
    const text = renderHistory('demo', { createdAt: CREATED_AT, runs, windows, requests }, PLAIN, { zone: 'UTC' });
    expect(text).toMatch(/^7 +on-demand +failed +2026-11-23 11:58:00 +1m5s +1 patched, 1 failed +me@host +CVE$/m);
    expect(text).toMatch(/^2026-11-21 23:00:00 +missed \(paused\)$/m);
    expect(text).toMatch(/^cancel +2026-11-23 12:00:00 +run 7 +ann +wrong cluster$/m);
  });

  test('reports that no run has ended yet', () => {
    expect(
      renderHistory('demo', { createdAt: CREATED_AT, runs: [], windows: [], requests: [] }, PLAIN, { zone: 'UTC' }),
    ).toContain('no run of demo has ended yet');
  });
});
