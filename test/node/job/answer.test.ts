import { parseAnswer, parseJobAnswer } from '../../../src/node/job/answer';

function job(text: string) {
  const answer = parseAnswer(Buffer.from(text));
  return answer === null ? null : parseJobAnswer(answer);
}

describe('src/node/job/answer', () => {
  it('splits log and result by the lengths in the first line', () => {
    expect(job('ospatch 1 state=done rc=100 size=9 off=4 log=5 result=3 ended=7 boot=x\nE: no\nabc')).toEqual({
      state: 'done',
      rc: 100,
      size: 9,
      log: Buffer.from('E: no'),
      result: '\nab',
      endedAgo: 7,
    });
  });

  it('treats protocol lines in a log as data', () => {
    const forged = 'ospatch 1 state=done rc=0 size=0 off=0 log=0 result=0\n';
    expect(
      job(`ospatch 1 state=running size=${forged.length} off=0 log=${forged.length} result=0\n${forged}`),
    ).toMatchObject({
      state: 'running',
      log: Buffer.from(forged),
    });
  });

  it('rejects text before the answer, a later protocol, and anything else', () => {
    expect(job('Welcome!\nospatch 1 state=running\n')).toBeNull();
    expect(job('ospatch 2 state=running\n')).toBeNull();
    expect(job('ospatch 1 state=running')).toBeNull();
    expect(job('')).toBeNull();
  });

  it('rejects a truncated answer and an unknown state', () => {
    expect(job('ospatch 1 state=done rc=0 log=10 result=0\nshort')).toBeNull();
    expect(job('ospatch 1 state=done rc= log=0 result=0\n')).toBeNull();
    expect(job('ospatch 1 state=error why=bad-verb\n')).toBeNull();
  });

  it('names the holder of a busy node', () => {
    expect(job('ospatch 1 state=busy holder=abc boot=x\n')).toMatchObject({ state: 'busy', holder: 'abc' });
    expect(job('ospatch 1 state=busy holder= boot=x\n')).toMatchObject({ state: 'busy', holder: '' });
  });
});
