import type { ClusterListItem } from '../../../src/client/cluster-list';
import { hasFailed } from '../../../src/client/cluster-list';
import { renderList } from '../../../src/cli/render/list';
import { PLAIN } from '../support';

const ITEM: ClusterListItem = {
  cluster: 'prod-eu',
  type: 'self-managed',
  state: 'running',
  ready: true,
  nextWindow: null,
  lastOutcome: 'succeeded',
  failedNodes: 0,
  createdAt: '2027-01-01T00:00:00Z',
  sites: [],
  sitesWithoutWorker: [],
  stuck: null,
  looked: true,
};

describe('src/cli/render/list', () => {
  test('names the task queues of sites without a worker beside the state', () => {
    const sites = ['site-b', 'site-c'];
    const text = renderList([{ ...ITEM, sites, sitesWithoutWorker: ['site-b'] }], PLAIN, 'UTC');
    expect(text).toMatch(/^prod-eu +self-managed +running, no worker at site-b +0 +yes +- +2027-01-01$/m);
    expect(renderList([{ ...ITEM, sites, sitesWithoutWorker: [] }], PLAIN, 'UTC')).not.toContain('worker');
  });

  test('counts failed nodes, and marks a failed run without one', () => {
    const text = renderList(
      [
        { ...ITEM, failedNodes: 3, lastOutcome: 'failed' },
        { ...ITEM, cluster: 'lab', lastOutcome: 'stopped' },
        { ...ITEM, cluster: 'new', lastOutcome: null, failedNodes: null },
      ],
      PLAIN,
      'UTC',
    );
    expect(text).toMatch(/^prod-eu +self-managed +running +3 +yes/m);
    expect(text).toMatch(/^lab +self-managed +running +run stopped +yes/m);
    expect(text).toMatch(/^new +self-managed +running +- +yes/m);
  });

  test.each([
    [{}, false],
    [{ failedNodes: 1 }, true],
    [{ lastOutcome: 'stopped' }, true],
    [{ lastOutcome: 'cancelled' }, false],
    [{ state: 'ended' }, true],
    [{ lastOutcome: null, failedNodes: null }, false],
  ])('marks %j as needing attention: %s', (more, expected) => {
    expect(hasFailed({ ...ITEM, ...more })).toBe(expected);
  });

  test('gives the reason why a cluster is stuck instead of its last known state', () => {
    const stuck = {
      kind: 'failing',
      message: 'cluster prod-eu is stuck: \u001b[2Jboom',
      remedy: 'do this',
    } as const;
    const text = renderList(
      [
        { ...ITEM, stuck, nextWindow: '2027-01-03T00:00:00Z' },
        { ...ITEM, cluster: 'lab' },
      ],
      PLAIN,
      'UTC',
    );
    expect(text).toMatch(/^prod-eu +self-managed +stuck +0 +- +- +2027-01-01$/m);
    expect(text).toContain('\n\nstuck: cluster prod-eu is stuck:  [2Jboom.\n  fix: do this');
    expect(text).toMatch(/^lab +self-managed +running/m);
  });

  test('counts the clusters of unknown state', () => {
    const text = renderList(
      [
        { ...ITEM, looked: false },
        { ...ITEM, cluster: 'lab' },
      ],
      PLAIN,
      'UTC',
    );
    expect(text).toContain('1 of 2 clusters did not answer in time; they may be stuck');
  });
});
