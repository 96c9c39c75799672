/** Clusters of many nodes in the middle of a run. */
import type { LiveStatus } from '../../../src/client/live-status';
import { node, runStatus, live, status, NOW } from '../support';

/** Of ten nodes, one has failed and six are done; five are in work, one of them is lost. */
export function fleet(count: number, more: Partial<LiveStatus> = {}): LiveStatus {
  const nodes = Array.from({ length: count }, (_, at) => {
    const name = `worker-${String(at + 1).padStart(3, '0')}`;
    if (at < 5)
      return node(name, {
        state: 'patching',
        lastError: at === 0 ? { type: 'UnreachableAfterChange', message: 'worker-001 does not answer' } : null,
      });
    if (at % 10 === 7)
      return node(name, {
        state: 'failed',
        lastError: { type: 'DiskFull', message: `${name} has 12 MiB free on /var; at least 300 MiB are needed` },
      });
    if (at % 10 > 7) return node(name, { state: 'waiting', patchedVersion: 'Debian GNU/Linux 12.14' });
    return node(name, {
      state: 'patched',
      lastAppliedPatchTime: '2026-11-23T11:50:00Z',
      patchedVersion: 'Debian GNU/Linux 12.15',
      kernel: '6.1.0-44-amd64',
      pendingUpdates: 0,
      rebootRequired: false,
    });
  });
  const inState = (state: string): string[] => nodes.filter((one) => one.state === state).map(({ name }) => name);
  const waiting = inState('waiting');
  const [failed, patched] = [inState('failed').length, inState('patched').length];
  const limits = { concurrency: 4, maxUnavailable: 20, oneZoneAtATime: false, maxFailures: 60 } as const;
  return status(nodes, {
    state: 'running',
    explanation: 'run 7 is in progress',
    run: {
      ...runStatus(7, { trigger: 'schedule', done: failed + patched, total: count }),
      detail: {
        limits: { ...limits, onExceeded: 'pause' },
        ...{ failures: failed, inFlightCount: 4, lostCount: 1, waitingCount: waiting.length },
        ...{
          upcoming: waiting.slice(0, 10),
          hold: { kind: 'concurrency', limit: 4 },
          stage: 2,
          stages: 3,
          soakMs: 0,
          windowEnd: null,
        },
      },
    } as LiveStatus['run'],
    current: [
      live('worker-001', {
        step: 'reboot',
        waitingFor: 'worker-001 to answer',
        waitingSince: new Date(NOW - 3_600_000).toISOString(),
      }),
      ...['worker-002', 'worker-003', 'worker-004', 'worker-005'].map((name) =>
        live(name, { step: 'apply', done: 3, total: 12 }),
      ),
    ],
    runEnd: { at: '2026-11-23T15:40:00.000Z', from: 'guess' },
    ...more,
  });
}
