import type { ClusterListItem } from '../../../src/client/cluster-list';
import { problemsOf } from '../../../src/client/cluster-list';
import { renderList } from '../../../src/cli/render/list';
import { PLAIN } from '../support';

const ITEM: ClusterListItem = {
  cluster: 'prod-eu',
  type: 'self-managed',
  state: 'running',
  ready: true,
  nextWindow: null,
  lastOutcome: 'succeeded',
  lastRunAt: '2027-01-02T00:00:00Z',
  inRun: true,
  failedNodes: 0,
  rebootPending: null,
  problems: [],
  createdAt: '2027-01-01T00:00:00Z',
  sites: [],
  sitesWithoutWorker: [],
  stuck: null,
  looked: true,
};

describe('src/cli/render/list', () => {
  test('shows the result of the last run, problems, and the zone of its times', () => {
    const nextWindow = '2027-01-03T00:00:00Z';
    const text = renderList(
      [
        { ...ITEM, state: 'idle', lastOutcome: 'stopped', problems: ['3 failed', 'last run stopped'], nextWindow },
        { ...ITEM, cluster: 'new', lastOutcome: null },
      ],
      PLAIN,
      'UTC',
    );
    expect(text).toMatch(/^prod-eu +self-managed +idle +stopped +3 failed, last run stopped +Sun 2027-01-03 00:00$/m);
    expect(text).toMatch(/^new +self-managed +running +- +- +-$/m);
    expect(text).toContain('Times are in UTC');
  });

  test.each([
    [{}, []],
    [{ state: 'idle', failedNodes: 1, lastOutcome: 'stopped' }, ['1 failed', 'last run stopped']],
    [{ state: 'idle', lastOutcome: 'cancelled' }, ['last run cancelled']],
    [{ state: 'running', lastOutcome: 'stopped', ready: false }, []],
    [{ state: 'idle', ready: false }, ['boot patch not done']],
    [{ state: 'idle', rebootPending: 2 }, ['2 reboot-pending']],
    [{ state: 'paused' }, ['paused']],
    [{ state: 'ended' }, ['ended without remove']],
    [{ state: 'encrypted', ready: null }, ['encrypted, and the key is not available here']],
    [{ sitesWithoutWorker: ['site-b'] }, ['no worker at site-b']],
    [{ lastOutcome: null, failedNodes: null }, []],
  ])('finds in %j the problems %j', (more, expected) => {
    expect(problemsOf({ ...ITEM, ...more })).toEqual(expected);
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
    expect(text).toMatch(/^prod-eu +self-managed +stuck +- +- +-$/m);
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
