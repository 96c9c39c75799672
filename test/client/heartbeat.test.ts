import { readHeartbeat } from '../../src/client/heartbeat';

const POD = { namespace: 'shop', name: 'web-1', why: 'a budget holds it', since: '2027-01-01T00:00:00.000Z' };

describe('src/client/heartbeat', () => {
  test('reports what a drain waits for, since when, and the blocking pods', () => {
    const wait = { waitingFor: 'shop/web-1: a budget holds it', waitingSince: POD.since, blocked: [POD] };
    expect(readHeartbeat({ step: 'drain', done: 1, total: 2, unreachableMs: 0, ...wait })).toEqual({
      ...{ step: 'drain', done: 1, total: 2 },
      ...wait,
    });
  });

  test('drops terminal escapes and invalid times sent by another version', () => {
    const blocked = [{ ...POD, why: '\u001b[2Jgone' }, { ...POD, since: 'noon' }, 'web-2', null, { name: 'web-3' }];
    const seen = readHeartbeat({ step: 'drain', waitingFor: 5, waitingSince: 'soon', blocked });
    expect(seen).toEqual({
      step: 'drain',
      blocked: [{ ...POD, why: expect.not.stringContaining('\u001b') as string }],
    });
    for (const none of [null, 'drain', {}, { step: 'unheard-of' }]) expect(readHeartbeat(none)).toBeNull();
  });
});
