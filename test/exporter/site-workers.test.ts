/** Workers that the exporter counts, with a list of pollers in memory. */
import type { TemporalSession } from '../../src/client/connection';
import { SiteWorkers } from '../../src/exporter/site-workers';

describe('src/exporter/site-workers', () => {
  const polls = new Map<string, number>();
  let nowMs = 0;
  const describeTaskQueue = (): Promise<object> =>
    Promise.resolve({
      pollers: [...polls].map(([identity, nanos]) => ({ identity, lastAccessTime: { seconds: 7, nanos } })),
    });
  const session = { namespace: 'default', client: { workflowService: { describeTaskQueue } } };
  let workers: SiteWorkers;

  beforeEach(() => {
    polls.clear();
    nowMs = 0;
    workers = new SiteWorkers(session as unknown as TemporalSession, () => nowMs);
  });

  it('counts no worker of a version that gets no work', async () => {
    const current = { deploymentName: 'ospatch', buildId: '2' };
    const poller = (identity: string, buildId: string): object => ({
      ...{ identity, lastAccessTime: { seconds: 7, nanos: 1 } },
      deploymentOptions: { ...current, buildId, workerVersioningMode: 2 },
    });
    const pollers = [poller('old', '1'), poller('new', '2'), { identity: 'plain', lastAccessTime: { seconds: 7 } }];
    const describe = (): Promise<object> =>
      Promise.resolve({ pollers, versioningInfo: { currentDeploymentVersion: current } });
    const own = { namespace: 'default', client: { workflowService: { describeTaskQueue: describe } } };
    const versioned = new SiteWorkers(own as unknown as TemporalSession);
    expect(await versioned.count(new Map([['ospatch', 'workflows']]))).toEqual([{ site: 'ospatch', workers: 1 }]);
  });

  async function countAfter(seconds: number): Promise<number | undefined> {
    nowMs += seconds * 1_000;
    const [one] = await workers.count(new Map([['edge', 'activities']]));
    return one?.workers;
  }

  it('counts whoever polls again, whatever the clock of the server says', async () => {
    // Decades before the clock of this machine.
    polls.set('a', 1).set('b', 1);
    expect(await countAfter(0)).toBe(2);
    polls.set('a', 2);
    expect(await countAfter(60)).toBe(2);
    polls.set('a', 3);
    expect(await countAfter(40)).toBe(1);
    polls.set('b', 2);
    expect(await countAfter(15)).toBe(2);
  });

  it('forgets who is not listed any more, and counts a worker that comes back at once', async () => {
    polls.set('a', 1);
    expect(await countAfter(0)).toBe(1);
    polls.clear();
    expect(await countAfter(15)).toBe(0);
    polls.set('a', 1);
    expect(await countAfter(500)).toBe(1);
  });

  it('does not lose a worker that polls when readings are minutes apart', async () => {
    polls.set('a', 1);
    expect(await countAfter(0)).toBe(1);
    polls.set('a', 2);
    expect(await countAfter(300)).toBe(1);
    expect(await countAfter(300)).toBe(0);
  });
});
