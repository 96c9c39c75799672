import { ClusterClient } from '../../../src/client/cluster-client';
import type { ClusterListItem } from '../../../src/client/cluster-list';
import { runCli } from '../../../src/cli/main';
import { OspatchError } from '../../../src/domain/shared/errors';
import { fakeClient, fakeTerminal } from '../support';

const CLUSTER: ClusterListItem = {
  ...{ cluster: 'prod-eu', type: 'self-managed', createdAt: '2026-01-01T00:00:00Z', state: 'idle', ready: true },
  ...{ nextWindow: null, lastOutcome: null, lastRunAt: null, inRun: false, failedNodes: 0, rebootPending: 0 },
  ...{ problems: [], sites: [], sitesWithoutWorker: [], stuck: null, looked: true },
};
const NO_WORKER = new OspatchError({
  type: 'NoWorker',
  message: 'no worker polls the task queue ospatch, so no query can be answered',
  remedy: 'start one with `ospatch worker`',
});

async function list(missingWorker: () => Promise<OspatchError | null>, ...args: string[]) {
  const client = fakeClient({ list: () => Promise.resolve([CLUSTER]), missingWorker });
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(client);
  const terminal = fakeTerminal();
  await runCli(['list', ...args], terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('src/cli/commands/list', () => {
  it('says that nothing goes on when no worker is there', async () => {
    const { out, err } = await list(() => Promise.resolve(NO_WORKER));
    expect(out).toContain('prod-eu');
    expect(err).toBe(
      'warning: the list shows what was recorded last: no worker polls the task queue ospatch, so no query can be answered; fix: start one with `ospatch worker`\n',
    );
  });

  it.each([
    ['a worker is there', () => Promise.resolve(null)],
    ['nobody can be asked for workers', () => Promise.reject(NO_WORKER)],
  ])('lists the clusters alone when %s', async (_, missingWorker) => {
    const { out, err, code } = await list(missingWorker);
    expect(out).toContain('prod-eu');
    expect([err, code]).toEqual(['', 0]);
  });
});
