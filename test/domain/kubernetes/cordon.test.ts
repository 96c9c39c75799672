import { cordonState, readBaseline, writeBaseline } from '../../../src/domain/kubernetes/cordon';
import { CORDON_ANNOTATION } from '../../../src/domain/kubernetes/types';

const OURS = { [CORDON_ANNOTATION]: 'demo/w-1/7/0123456789abcdef' };

describe('src/domain/kubernetes/cordon', () => {
  it.each([
    [{}, false, null, 'nobody'],
    [{}, true, 'kubectl', 'others'],
    [{ [CORDON_ANNOTATION]: 'something' }, true, 'ospatch', 'others'],
    [OURS, true, 'ospatch', 'ospatch'],
    [OURS, true, null, 'ospatch'],
    [OURS, true, 'kubectl', 'others'],
    [OURS, false, null, 'nobody'],
  ])('reports %j, unschedulable %s by %s: %s', (annotations, unschedulable, unschedulableBy, by) => {
    expect(cordonState({ annotations: { ...annotations }, unschedulable, unschedulableBy }).by).toBe(by);
  });

  it('reads only a baseline of its own format', () => {
    const baseline = { ready: false, pressure: ['DiskPressure'], daemonsetsNotReady: ['a/b', 'c/d'] };
    expect(readBaseline(writeBaseline(baseline))).toEqual(baseline);
    for (const text of [undefined, '', '{}', '[1]', '[1,[],[2]]', 'null', '[1,']) expect(readBaseline(text)).toBeNull();
  });
});
