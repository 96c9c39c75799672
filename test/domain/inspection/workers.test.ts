import type { QueueSeen, WorkerAnswer } from '../../../src/domain/inspection/workers';
import { atWork, diagnoseAnswers, diagnoseVersions, explainIdle } from '../../../src/domain/inspection/workers';
import { PAYLOAD_ENCRYPTED } from '../../../src/domain/shared/unreadable';

const WHERE = { address: 't.example:7233', namespace: 'prod' };
const OLD = { deployment: 'ospatch', buildId: '0.1.0-aa' };
const NEW = { deployment: 'ospatch', buildId: '0.2.0-bb' };
const SET_NEW =
  'temporal worker deployment set-current-version --deployment-name ospatch --build-id 0.2.0-bb --namespace prod --address t.example:7233';

const queue = (current: typeof OLD | null, ...versions: (typeof OLD | null)[]): QueueSeen => ({
  pollers: versions.map((version, at) => ({ identity: `${at}@host`, version })),
  receivers: [current],
});

describe('src/domain/inspection/workers', () => {
  it.each([
    [
      'no version is current',
      queue(null, NEW),
      /^1 worker polls .* 0\.2\.0-bb .* and gets no work: no version/,
      SET_NEW,
    ],
    [
      'another one is',
      queue(OLD, NEW, NEW),
      /^2 workers poll .* get no work: version 0\.1\.0-aa .* is current/,
      SET_NEW,
    ],
    [
      'that of this release, of several',
      queue(null, NEW, { ...NEW, buildId: '0.3.0-c' }),
      /0\.2\.0-bb .*, 0\.3/,
      SET_NEW,
    ],
    [
      'none has a version',
      queue(OLD, null),
      /without a version and gets no work/,
      /OSPATCH_WORKER_DEPLOYMENT=ospatch, .*--unversioned --names/,
    ],
  ])('names workers that get no work, with the command: %s', (_, seen, message, remedy) => {
    const idle = explainIdle(seen, 'ospatch', WHERE, '0.2.0');
    expect(idle?.message).toMatch(message);
    expect(idle?.remedy).toEqual(typeof remedy === 'string' ? remedy : expect.stringMatching(remedy));
    expect(diagnoseVersions(seen, WHERE)).toEqual([]);
  });

  it.each([
    ['no worker', queue(null)],
    ['no versions', queue(null, null, null)],
    ['the current version', queue(NEW, NEW)],
    ['one that is ramped up', { ...queue(OLD, NEW), receivers: [OLD, NEW] }],
  ])('has nothing to say of %s', (_, seen) => {
    expect(explainIdle(seen, 'ospatch', WHERE, '0.2.0')).toBeNull();
    expect(diagnoseVersions(seen, WHERE)).toEqual([]);
  });

  it('warns of workers beside those that get work', () => {
    const seen = queue(OLD, OLD, NEW, NEW, null);
    expect(atWork(seen)).toEqual([{ identity: '0@host', version: OLD }]);
    expect(diagnoseVersions(seen, WHERE)).toMatchObject([
      { severity: 'warning', message: expect.stringMatching(/^2 workers of version 0\.2\.0-bb .* get no new work/) },
      { severity: 'warning', message: expect.stringMatching(/^1 worker without a version gets no new work/) },
    ]);
    expect(diagnoseVersions(seen, WHERE)[0]?.remedy).toContain(SET_NEW);
    expect(diagnoseVersions(queue(null, null, NEW), WHERE)).toMatchObject([
      { message: expect.stringMatching(/which goes to workers without a version$/) },
    ]);
  });

  const lacking = `a ${PAYLOAD_ENCRYPTED} ours, and this worker cannot decrypt it`;
  it.each<[string, WorkerAnswer, string[], RegExp | null]>([
    ['both have the key', { kind: 'done', identity: 'w', key: 'ours' }, ['ours'], null],
    ['nobody encrypts', { kind: 'done', identity: 'w', key: null }, [], null],
    ['theirs is in rotation', { kind: 'done', identity: 'w', key: 'old' }, ['ours', 'old'], null],
    ['only theirs', { kind: 'done', identity: 'w', key: 'theirs' }, [], /the worker w answers with the key theirs/],
    [
      'theirs is not here',
      { kind: 'done', identity: 'w', key: 'theirs' },
      ['ours'],
      /key theirs, which this command does/,
    ],
    [
      'only ours',
      { kind: 'failed', identity: 'w', key: null, message: lacking },
      ['ours'],
      /key ours, and the worker w does not/,
    ],
    [
      'none in common',
      { kind: 'failed', identity: 'w', key: 'theirs', message: null },
      ['ours'],
      /not have that key and encrypts with the key theirs/,
    ],
    [
      'another failure',
      { kind: 'failed', identity: 'w', key: null, message: 'boom.' },
      ['ours'],
      /w fails in .*: boom$/,
    ],
    ['no worker', { kind: 'none', identity: null }, [], /^no worker of the task queue q begins a task/],
    ['one that hangs', { kind: 'none', identity: 'w' }, [], /^the worker w does not complete/],
  ])('says who cannot read what: %s', (_, answer, keys, message) => {
    const found = diagnoseAnswers([answer], keys, 'q');
    if (message === null) return expect(found.filter(({ severity }) => severity !== 'ok')).toEqual([]);
    expect(found).toEqual([
      { severity: 'error', check: 'worker', message: expect.stringMatching(message), remedy: expect.any(String) },
    ]);
  });

  it('names the workers that have the same trouble together, and those that have none not at all', () => {
    const answers = ['a', 'b', 'a', 'c'].map((identity): WorkerAnswer => ({ kind: 'done', identity, key: 'theirs' }));
    const found = diagnoseAnswers([...answers, { kind: 'done', identity: 'd', key: 'ours' }], ['ours'], 'q');
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toContain('each of the workers a, b, c answers');
  });
});
