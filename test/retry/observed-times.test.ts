import { ObservedTimes } from '../../src/retry/observed-times';

describe('src/retry/observed-times', () => {
  it('forgets calls that have failed for good, however many', async () => {
    const reported: number[] = [];
    const times = new ObservedTimes(0, (ms) => reported.push(ms));
    for (let calls = 0; calls < 1_000; calls += 1) {
      const failed = times.during((call) => {
        call.onObserved(60_000);
        return Promise.reject(new Error('for good'));
      });
      await expect(failed).rejects.toThrow('for good');
    }
    expect(times.isWaiting).toBe(false);
    const next = times.begin();
    next.onObserved(2_000);
    expect(reported.at(-1)).toBe(2_000);
    expect([...(Reflect.get(times, 'open') as Map<unknown, number>).values()]).toEqual([2_000]);
  });

  it('hands the observed time of an unanswered call over to the next attempt', async () => {
    let reportedMs = 0;
    const times = new ObservedTimes(5_000, (ms) => {
      reportedMs = ms;
    });
    const handedBack = times.during((call) => {
      call.onObserved(call.observedMs + 1_000);
      return Promise.reject(new Error('later'));
    });
    await expect(handedBack).rejects.toThrow('later');
    expect(reportedMs).toBe(6_000);
  });

  it('counts per call, and resets the carried time on the first answer', () => {
    let reportedMs = 0;
    const times = new ObservedTimes(5_000, (ms) => {
      reportedMs = ms;
    });
    const [slow, quick] = [times.begin(), times.begin()];
    slow.onObserved(7_000);
    quick.onObserved(6_000);
    expect(reportedMs).toBe(7_000);
    quick.onEnd();
    expect(times.isWaiting).toBe(true);
    slow.onEnd();
    expect(times.isWaiting).toBe(false);
    expect(times.begin().observedMs).toBe(0);
  });
});
