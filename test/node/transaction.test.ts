import { applyPlan } from '../../src/node/transaction';
import type { Answer } from './fake-node';
import { fakeSession, jobAnswer } from './fake-node';

jest.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }));

const JOB = { token: '0123456789abcdef', number: 1 } as const;

function apply(answer: Answer) {
  return applyPlan(fakeSession([answer]), JOB, { digest: 'a'.repeat(64), count: 1 }, { manager: 'apt' });
}

describe('src/node/transaction', () => {
  it.each([
    ['a signal has ended it', 'done rc=137', ''],
    ['dpkg was killed and packages are half-way', 'done rc=100', 'problem lab is not fully installed (iF )\n'],
  ])('requires a repair when %s', async (_what, state, answer) => {
    const outcome = await apply(jobAnswer(state, { answer }));
    expect(outcome).toMatchObject({ state: 'done', result: { unfinished: true, error: expect.anything() } });
  });

  it('requires none when the transaction failed before any change', async () => {
    const outcome = await apply(jobAnswer('done rc=100', { log: 'E: Failed to fetch it', size: 21 }));
    expect(outcome).toMatchObject({ state: 'done', result: { error: { type: 'Repository' } } });
    expect(outcome).not.toMatchObject({ result: { unfinished: true } });
  });

  it('names the remedy when packages stay half-installed although nothing failed', async () => {
    const outcome = await apply(jobAnswer('done rc=0', { answer: 'problem lab is not fully installed (iF )\n' }));
    expect(outcome).toMatchObject({
      result: { error: { type: 'PackagesBroken', remedy: expect.stringContaining('dpkg --configure -a') } },
    });
  });
});
