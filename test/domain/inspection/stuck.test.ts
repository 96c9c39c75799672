import type { StuckCause } from '../../../src/domain/inspection/stuck';
import { PAYLOAD_ENCRYPTED, START_NOT_ENCRYPTED } from '../../../src/domain/shared/unreadable';
import { describeStuck, describeStuckRun } from '../../../src/domain/inspection/stuck';
import { diagnoseIdleSites, diagnoseServer, diagnoseStuck } from '../../../src/domain/inspection/installation';

const PAUSED: StuckCause = { kind: 'paused-on-server', by: 'me', at: '2027-01-01T00:00:00.000Z', reason: 'test' };

const failed = (message: string | null): Extract<StuckCause, { kind: 'task-failed' }> => ({
  ...{ kind: 'task-failed', isNondeterminism: false, attempt: 4 },
  message,
});

describe('src/domain/inspection/stuck', () => {
  test.each<[string, StuckCause, string]>([
    [
      'a failure',
      failed('boom'),
      'cluster demo is stuck, because its workflow code fails on the workers (attempt 4): boom',
    ],
    ['an encrypted one', failed(null), 'failure is encrypted, and cannot be read here'],
    ['a hostile one', failed(`\u001b[2J${'x'.repeat(5_000)}`), '(attempt 4): [2Jxxx'],
    [
      'a pause on the server',
      PAUSED,
      'is paused on the Temporal server by me since 2027-01-01T00:00:00.000Z (test), so',
    ],
    [
      'another task queue',
      { kind: 'no-worker', taskQueue: 'old' },
      'is stuck, because its workflow is on the task queue old, which no worker polls',
    ],
    ['a termination', { kind: 'ended', how: 'terminated', at: null, message: '' }, 'was terminated in Temporal'],
    [
      'an execution timeout',
      { kind: 'ended', how: 'timed-out', at: '2027-01-01T00:00:00.000Z', message: null },
      'the workflow of cluster demo exceeded its execution timeout at 2027-01-01T00:00:00.000Z',
    ],
  ])('%s is reported in one sentence that fits a terminal', (_, obstacle, sentence) => {
    const { message, remedy } = describeStuck('demo', obstacle);
    expect(message).toContain(sentence);
    expect(message.length).toBeLessThan(600);
    expect(message).not.toContain('\u001b');
    expect(remedy).toContain('demo');
  });

  test.each<[string, string, StuckCause, string, string]>([
    [
      'a run',
      'cluster/demo/run/3-k1',
      failed('boom'),
      'run 3 of cluster demo is stuck, because its workflow code fails on the workers (attempt 4): boom',
      'workflow terminate --workflow-id cluster/demo/run/3-k1`; the run then ends as failed',
    ],
    [
      'a node patch',
      'cluster/demo/node/w-1',
      PAUSED,
      'the workflow of the patch of w-1 of cluster demo is paused on the Temporal server by me',
      'temporal workflow unpause --workflow-id cluster/demo/node/w-1',
    ],
    [
      'a step',
      'cluster/demo/node/w-1',
      { ...PAUSED, kind: 'activity-paused', activity: 'apply', activityId: '7' },
      'the patch of w-1 of cluster demo is stuck, because its activity apply is paused on the Temporal server by me',
      'temporal activity unpause --workflow-id cluster/demo/node/w-1 --activity-id 7',
    ],
  ])('%s is named by its own name, with a remedy', (_, workflowId, obstacle, sentence, remedy) => {
    const stuck = describeStuckRun('demo', workflowId, obstacle);
    expect(stuck.message).toContain(sentence);
    expect(stuck.remedy).toContain(remedy);
    expect(stuck.remedy).not.toContain('recover');
  });

  test('a missing key is remedied by the key, and not by a recovery that loses state', () => {
    const { kind, remedy } = describeStuck('demo', failed(`a ${PAYLOAD_ENCRYPTED} one, and no key is configured here`));
    expect(kind).toBe('missing-key');
    expect(remedy).not.toContain('recover');
  });

  test('a workflow that was started without the required encryption waits for workers that do not require it', () => {
    const { kind, message, remedy } = describeStuck('demo', failed(`the start argument ${START_NOT_ENCRYPTED}`));
    expect(kind).toBe('not-encrypted');
    expect(message).toMatch(/started without encryption, and the workers require encryption/);
    expect(remedy).toMatch(/run workers without OSPATCH_ENCRYPTION_REQUIRED until it has continued as new .* if not, /);
  });

  test('a workflow that never was a cluster is not recovered, and what is left of it can be deleted', () => {
    const ended = { kind: 'ended', how: 'terminated', at: null, message: '' } as const;
    expect(describeStuck('demo', ended)).not.toHaveProperty('neverBegan');
    const { message, remedy, neverBegan } = describeStuck('demo', { ...ended, unusable: 'its spec is\u001bno spec' });
    expect(neverBegan).toBe(true);
    expect(message).toMatch(/was terminated in Temporal; nothing of it can be recovered, because its spec is no spec$/);
    expect(remedy).toMatch(/^`ospatch remove demo`/);
    expect(remedy).not.toContain('recover');
  });

  test('a failure that nobody here can read says by its key what is missing', () => {
    const unread = { ...failed(null), failureKey: 'theirs', startKey: 'ours' };
    const { kind, message, remedy } = describeStuck('demo', unread);
    expect(kind).toBe('missing-key');
    expect(message).toMatch(/encrypt with the key theirs; the workflow was started with the key ours$/);
    expect(remedy).not.toContain('recover');
    // Of the same key there is another reason for the failure.
    const same = describeStuck('demo', { ...unread, startKey: 'theirs' });
    expect(same).toMatchObject({ kind: 'failing', message: expect.stringContaining('the key theirs, and cannot') });
  });

  test('a workflow that is pinned to a version without workers is named with the version', () => {
    const version = { deployment: 'ospatch', buildId: '0.1.0-1' };
    const { kind, message, remedy } = describeStuckRun('demo', 'cluster/demo/run/3-k1', {
      ...{ kind: 'no-version', taskQueue: 'ospatch', version },
    });
    expect(kind).toBe('no-worker');
    expect(message).toContain('run 3 of cluster demo is stuck, because its workflow is pinned to version 0.1.0-1');
    expect(remedy).toContain('OSPATCH_WORKER_DEPLOYMENT=ospatch');
  });

  test('an unreadable start argument is not remedied by a recovery, which could not read the argument either', () => {
    const message = 'a payload in Temporal cannot be read';
    const { kind, remedy } = describeStuck('demo', { ...failed(message), isStartUnreadable: true });
    expect(kind).toBe('unreadable-start');
    expect(remedy).toContain('temporal workflow terminate --workflow-id cluster/demo');
    expect(remedy).not.toContain('recover');
    expect(describeStuck('demo', failed(message))).toMatchObject({ kind: 'failing' });
  });

  test('stuck clusters are errors of the installation, and warnings beside the requested cluster', () => {
    const stuck = ['a', 'b'].map((name) => describeStuck(name, PAUSED));
    expect(diagnoseStuck({ stuck, notLooked: 0, total: 9 }, null).map(({ severity }) => severity)).toEqual([
      'error',
      'error',
    ]);
    expect(diagnoseStuck({ stuck, notLooked: 3, total: 9 }, ['a'])).toMatchObject([
      { severity: 'warning', remedy: 'temporal workflow unpause --workflow-id cluster/b' },
      { severity: 'warning', message: '3 of 9 clusters did not answer in time' },
    ]);
    expect(diagnoseStuck({ stuck: [], notLooked: 0, total: 9 }, null)).toMatchObject([{ severity: 'ok' }]);
  });

  test('sites without a worker are findings of the installation, each with the clusters that have no finding of their own', () => {
    const clusters = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const sites = new Map([
      ['edge', clusters],
      ['lab', ['a']],
      ['ospatch', ['a']],
    ]);
    expect(diagnoseIdleSites(sites, null, 'ospatch')).toMatchObject([
      {
        severity: 'error',
        message: 'no worker polls the task queue edge, which nodes of a, b, c, d, e and 2 more need',
        remedy: 'run `ospatch worker --task-queue edge` where they can be reached',
      },
      { severity: 'error', message: 'no worker polls the task queue lab, which nodes of a need' },
    ]);
    expect(diagnoseIdleSites(sites, ['a'], 'ospatch')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('of b, c, d, e, f and 1 more') as string },
    ]);
  });

  test('a hundred stuck clusters are counted', () => {
    const stuck = Array.from({ length: 100 }, (_, at) => describeStuck(`c-${at}`, PAUSED));
    expect(diagnoseStuck({ stuck, notLooked: 0, total: 100 }, null).at(-1)?.message).toBe('80 more clusters are stuck');
    expect(diagnoseStuck({ stuck, notLooked: 0, total: 100 }, null)).toHaveLength(21);
  });

  test.each([
    ['1.25.2', 'error'],
    ['1.26.0', 'ok'],
    ['1.29.1', 'ok'],
    ['2.0.0', 'ok'],
    ['0.30.1', 'error'],
    ['', 'ok'],
    ['cloud', 'ok'],
  ])('a server of version %j is %s', (version, severity) => {
    expect(diagnoseServer({ address: 'host:7233', namespace: 'default', version }).severity).toBe(severity);
  });
});
