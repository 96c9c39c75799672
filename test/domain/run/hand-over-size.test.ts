import { isHistoryFull } from '../../../src/domain/run/hand-over-size';
import { markHandedOverLost, settleHandedOver } from '../../../src/domain/run/run';
import type { RunCursor } from '../../../src/domain/run/run';
import { settled } from '../../support/builders';

const EMPTY = { historyLength: 3, historySize: 1_000, continueAsNewSuggested: false };
const MAX_EVENTS = 10_000;
const MAX_BYTES = 10 * 1024 * 1024;

/** Of one node in flight: its end, and its cancellation before. */
const EVENTS_TO_END = 6;

describe('src/domain/run/hand-over-size', () => {
  it.each([0, 1, 100, 500])('leaves room for the ends of %i nodes in flight', (inFlight) => {
    const events = (historyLength: number): boolean => isHistoryFull({ ...EMPTY, historyLength }, inFlight);
    const bytes = (historySize: number): boolean => isHistoryFull({ ...EMPTY, historySize }, inFlight);
    expect(events(100)).toBe(false);
    expect(events(MAX_EVENTS - inFlight * EVENTS_TO_END)).toBe(true);
    expect(bytes(100_000)).toBe(false);
    expect(bytes(MAX_BYTES - inFlight * 4_096)).toBe(true);
  });

  it('is full when the server says so', () => {
    expect(isHistoryFull({ ...EMPTY, continueAsNewSuggested: true }, 1)).toBe(true);
  });

  it('leaves a run workflow room for other nodes, however many are in flight', () => {
    expect(isHistoryFull({ ...EMPTY, historyLength: 2_000 }, 5_000)).toBe(false);
    expect(isHistoryFull({ ...EMPTY, historyLength: 4_000 }, 5_000)).toBe(true);
  });
});

describe('src/domain/run/run: the ends of node patches that were handed over', () => {
  const patch = (node: string) => ({ node, startedAt: '2027-01-04T11:00:00.000Z', workflowRunId: `patch-${node}` });
  const cursor = (): RunCursor => ({ settled: [], failures: 0, inFlight: [patch('w-1'), patch('w-2')] });

  it('are counted once, and those of other nodes not at all', () => {
    const one = cursor();
    const failure = settled('w-1', { outcome: 'failed', error: { type: 'PackageManager', message: 'no' } });
    settleHandedOver(one, [failure, failure, settled('w-3', {})]);
    expect(one).toMatchObject({ settled: [{ node: 'w-1' }], failures: 1, inFlight: [{ node: 'w-2' }] });
    settleHandedOver(one, [failure]);
    expect(one.settled).toHaveLength(1);
  });

  it('know which of them have become lost in between', () => {
    const one = cursor();
    const notice = { message: 'w-1 has been unreachable for 30 min', workflowRunId: 'patch-w-1' };
    markHandedOverLost(one, [
      { ...notice, node: 'w-1' },
      { ...notice, node: 'w-2' },
    ]);
    expect(one.inFlight).toEqual([{ ...patch('w-1'), lost: true }, patch('w-2')]);
  });
});
