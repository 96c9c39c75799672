import { renderList } from '../../../src/cli/render/list';
import { PLAIN } from '../support';

const ITEM = {
  cluster: 'prod-eu',
  type: 'self-managed',
  state: 'running',
  ready: true,
  nextWindow: null,
  createdAt: '2027-01-01T00:00:00Z',
};

describe('src/cli/render/list', () => {
  test('names the task queues of sites without a worker beside the state', () => {
    const sites = ['site-b', 'site-c'];
    const text = renderList([{ ...ITEM, sites, sitesWithoutWorker: ['site-b'] }], PLAIN, 'UTC');
    expect(text).toMatch(/^prod-eu +self-managed +running, no worker at site-b +yes +- +2027-01-01$/m);
    expect(renderList([{ ...ITEM, sites, sitesWithoutWorker: [] }], PLAIN, 'UTC')).not.toContain('worker');
  });
});
