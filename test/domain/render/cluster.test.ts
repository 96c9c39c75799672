import { newClusterState } from '../../../src/domain/cluster/state';
import { toStatus } from '../../../src/domain/cluster/status';
import { renderCluster, renderRunProgress } from '../../../src/domain/render/cluster';
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
      'all 1 node is up to date',
    );
    expect(markdown.split('\n').filter((line) => line !== '')).toEqual([
      '**all 1 node is up to date**',
      expect.stringMatching(/^\*\*State:\*\* idle.*\*\*Next window:\*\* none, on demand only/) as string,
      '**Last refusal:** patchNow by ann at 2026-11-27 07:58:11 UTC: the cluster is paused',
      expect.stringContaining('| Node | Role | State |') as string,
      '|---|---|---|---|---|---|---|---|',
      expect.stringContaining('2026-11-27 07:58:11 UTC') as string,
    ]);
    expect(markdown).not.toMatch(/\.\d{3}Z|\dT\d/);
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
