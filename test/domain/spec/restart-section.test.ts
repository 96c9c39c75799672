import { restartsRuntime } from '../../../src/domain/spec/restart-policy';
import { issuesOf, specDocument, specOf } from './spec-document';

const withRestart = (restartServices: unknown) => specDocument({ patching: { restartServices } });

describe('src/domain/spec/restart-section', () => {
  it.each([
    ['auto', { mode: 'auto', services: [], ignore: [], asReboot: false }],
    [
      { mode: 'listed', services: ['nginx', 'nginx'] },
      { mode: 'listed', services: ['nginx'], ignore: [], asReboot: false },
    ],
    [{ asReboot: true }, { mode: 'never', services: [], ignore: [], asReboot: true }],
  ])('expands %j, and the expanded form means the same', (given, written) => {
    const spec = specOf(withRestart(given));
    expect(spec).toMatchObject({ patching: { restartServices: written } });
    expect(specOf(spec)).toEqual(spec);
  });

  it.each([['never'], [{}], [{ mode: 'never' }]])('expands to nothing for %j, which is the default', (given) => {
    expect(specOf(withRestart(given))).toEqual(specOf(specDocument({ patching: {} })));
  });

  it.each([
    [
      'autos',
      'patching.restartServices: found "autos"; did you mean "auto"? allowed: never, listed, auto, or a mapping with mode, services, ignore and asReboot',
    ],
    [
      true,
      'patching.restartServices: found true; allowed: never, listed, auto, or a mapping with mode, services, ignore and asReboot',
    ],
    [
      { mode: 'auto', ignored: ['a'] },
      'patching.restartServices.ignored: unknown key; did you mean "ignore"? allowed: mode, services, ignore, asReboot',
    ],
    [
      { mode: 'auto', ignore: ['a b'] },
      'patching.restartServices.ignore[0]: found "a b"; allowed: a service name of at most 128 letters, digits and . _ : @ -, in which * and ? stand for any characters, e.g. php*-fpm',
    ],
    [
      'listed',
      'patching.restartServices: found listed without services, which restarts nothing; allowed: {mode: listed, services: [NAME, ...]}',
    ],
    [
      { mode: 'listed', services: [] },
      'patching.restartServices.mode: found listed without services, which restarts nothing; allowed: {mode: listed, services: [NAME, ...]}',
    ],
  ])('reports what is wrong with %j', (given, issue) => {
    expect(issuesOf(withRestart(given))).toEqual([issue]);
  });

  it('determines when a restart needs a drained node', () => {
    const policy = { mode: 'auto' as const, services: [], ignore: [], asReboot: false };
    expect(restartsRuntime(['containerd.service'], policy)).toBe(true);
    expect(restartsRuntime(['nginx.service'], policy)).toBe(false);
    expect(restartsRuntime(['containerd.service'], { ...policy, ignore: ['containerd*'] })).toBe(false);
    expect(restartsRuntime(['containerd.service'], { ...policy, mode: 'listed', services: ['nginx'] })).toBe(false);
    expect(restartsRuntime(['k3s-agent.service'], { ...policy, mode: 'listed', services: ['k3s-agent'] })).toBe(true);
  });
});
