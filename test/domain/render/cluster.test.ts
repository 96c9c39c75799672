import { newClusterState } from '../../../src/domain/cluster/state';
import { toStatus } from '../../../src/domain/cluster/status';
import { renderCluster, renderRunProgress } from '../../../src/domain/render/cluster';
import { line } from '../../../src/domain/explain/explanation';
import type { MaintenanceWindow } from '../../../src/domain/schedule/window';
import type { RunProgressPage } from '../../../src/domain/run/run';
import { clusterSpec } from '../../support/builders';

const T0 = '2026-11-27T07:58:11.984Z';

describe('src/domain/render/cluster', () => {
  it('shows state, next window and refusals above the nodes, and no milliseconds', () => {
    const status = toStatus(newClusterState(clusterSpec(['w-1']), null, T0));
    const [first] = status.nodes;
    const markdown = renderCluster(
      {
        ...status,
        lastRejection: { at: T0, by: 'ann', request: 'patchNow', message: 'the cluster is paused' },
        nodes: first === undefined ? [] : [{ ...first, lastAppliedPatchTime: T0 }],
      },
      [line('ok', 'nothing-to-do', 'all 1 node is up to date', 'there is no schedule')],
    );
    expect(markdown.split('\n').filter((line) => line !== '')).toEqual([
      '**all 1 node is up to date: there is no schedule**',
      expect.stringMatching(/^\*\*State:\*\* idle.*\*\*Next window:\*\* none, on demand only/) as string,
      '**Last refusal:** patchNow by ann at 2026-11-27 07:58:11 UTC: the cluster is paused',
      expect.stringContaining('| Node | Role | State |') as string,
      '|---|---|---|---|---|---|---|---|',
      expect.stringContaining('2026-11-27 07:58:11 UTC') as string,
    ]);
    expect(markdown).not.toMatch(/\.\d{3}Z|\dT\d/);
  });

  it('shows the next command as code, whose hyphens and times the Temporal UI leaves as they are', () => {
    const status = toStatus(newClusterState(clusterSpec(['w-1']), null, T0));
    const change = ['ospatch extend-window demo --until 2027-01-31T18:00:00Z'];
    const lines = [
      line('active', 'in-work', 'run 1 is in progress', 'see ospatch status --watch', { since: T0, change }),
      line('warning', 'failed', 'w-2 failed', 'no route to host'),
    ];
    const loopError = 'until 2027-01-31T18:00:00Z *';
    expect(
      renderCluster({ ...status, loopError }, lines)
        .split('\n\n')
        .slice(0, 5),
    ).toEqual([
      '**run 1 is in progress: see ospatch status `--watch`, since 2026-11-27 07:58:11 UTC**',
      '**Next:** `ospatch extend-window demo --until 2027-01-31T18:00:00Z`',
      '**Also:** w-2 failed',
      expect.stringMatching(/^\*\*State/),
      '**Error:** until 2027-01-31 18:00:00 UTC \\*',
    ]);
    const sentence = [
      line('error', 'fault', 'a', 'b', { change: ['ospatch get demo, correct it, then apply --prune'] }),
    ];
    expect(renderCluster(status, sentence)).toContain('**Next:** ospatch get demo, correct it, then apply `--prune`\n');
  });

  it('shows the next window in the zone of the schedule and in UTC', () => {
    const status = toStatus(newClusterState(clusterSpec(['w-1']), null, T0));
    const nextWindow = { start: '2026-11-29T00:00:00+01:00', end: null } as MaintenanceWindow;
    expect(renderCluster({ ...status, nextWindow, timeZone: 'Europe/Berlin' }, [])).toContain(
      '**Next window:** 2026-11-29 00:00:00 +01:00 (Europe/Berlin) = 2026-11-28 23:00:00 UTC\n',
    );
  });

  it('says how a run has ended', () => {
    const progress = {
      run: 7,
      done: 2,
      total: 2,
      settled: [],
      inFlight: [],
      inFlightCount: 0,
    } as unknown as RunProgressPage;
    expect(renderRunProgress(progress, 'node', 'succeeded')).toMatch(/^\*\*Run 7:\*\* 2 of 2 nodes \(succeeded\)\n/);
  });
});
