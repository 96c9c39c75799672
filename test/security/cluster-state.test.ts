/** Anybody may start the workflow of a cluster with a state of their own making. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createClusterActivities } from '../../src/activities/cluster';
import { packState } from '../../src/domain/cluster/packed-state';
import { newClusterState } from '../../src/domain/cluster/state';
import { clusterSpec } from '../support/builders';
import { FUZZ_SEED, Random } from '../support/fuzz';
import { worstState } from '../support/worst-state';

const STATES = path.join(__dirname, '../domain/cluster/states');
const AT = '2027-01-01T00:00:00.000Z';
const { checkState } = createClusterActivities({ info: () => undefined });

function packed(): Record<string, unknown> {
  const state = packState(newClusterState(clusterSpec(['cp-1', 'w-1'], {}, 'demo'), null, AT));
  return JSON.parse(JSON.stringify(state)) as Record<string, unknown>;
}

function withSpec(change: Record<string, unknown>): Record<string, unknown> {
  const state = packed();
  return { ...state, spec: { ...(state['spec'] as object), ...change } };
}

describe(`a state that somebody has made (OSPATCH_FUZZ_SEED=${FUZZ_SEED})`, () => {
  it('is accepted as ospatch writes it', async () => {
    expect(await checkState({ state: packed(), cluster: 'demo' })).toEqual({ ok: true, spec: null });
  });

  it('is accepted at its largest', async () => {
    const state = worstState(200, 'demo');
    expect(await checkState({ state: JSON.parse(JSON.stringify(packState(state))), cluster: 'demo' })).toMatchObject({
      ok: true,
    });
  });

  it('is accepted as releases have recorded it', async () => {
    for (const file of readdirSync(STATES)) {
      const { carried } = JSON.parse(readFileSync(path.join(STATES, file), 'utf8')) as { carried: unknown };
      expect(await checkState({ state: carried, cluster: 'demo' })).toMatchObject({ ok: true });
    }
  });

  it.each([
    ['nothing', undefined],
    ['no object', 7],
    ['an empty object', {}],
    ['another cluster', withSpec({ name: 'other' })],
    ['a host that is an option', withSpec({ nodes: [{ name: 'w-1', host: '-oProxyCommand=id', role: 'worker' }] })],
    ['no nodes', withSpec({ nodes: 'all' })],
    ['a spec with a trap', withSpec({ type: '__proto__' })],
    ['rows that are no rows', { ...packed(), nodes: [1, 2] }],
    ['runs that are no runs', { ...packed(), runs: ['x'] }],
    ['no date', { ...packed(), createdAt: 'soon' }],
    ['a schedule that is none', { ...packed(), schedule: { ahead: 7 } }],
    ['events that are none', { ...packed(), events: { pages: 7 } }],
    ['a run that is none', { ...packed(), run: { number: 'x' } }],
    ['a version below the first', { ...packed(), version: 0 }],
  ])('is refused with %s', async (_, state) => {
    const verdict = await checkState({ state, cluster: 'demo' });
    expect(verdict).toMatchObject({ ok: false, isNewer: false });
    expect(verdict.ok ? [] : verdict.problems).not.toEqual([]);
  });

  it('waits for a worker that can read it when it is newer', async () => {
    const verdict = await checkState({ state: { ...packed(), version: 1_000_000 }, cluster: 'demo' });
    expect(verdict).toMatchObject({ ok: false, isNewer: true });
  });

  it('is judged in every form without an error', async () => {
    const random = new Random(FUZZ_SEED);
    const junk: unknown[] = [null, 0, -1, 1e308, '', 'x', [], {}, [[]], true, { __proto__: 1 }, '9999-99-99', [null]];
    for (let round = 0; round < 400; round += 1) {
      let state: unknown = packed();
      for (let changes = 0; changes <= random.below(3); changes += 1) state = mutated(state, random, junk);
      const verdict = await checkState({ state, cluster: 'demo' });
      expect(typeof verdict.ok).toBe('boolean');
    }
  });
});

function mutated(value: unknown, random: Random, junk: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null || random.below(6) === 0) return random.pick(junk);
  const keys = Object.keys(value);
  if (keys.length === 0) return random.pick(junk);
  const key = random.pick(keys);
  const changed = mutated((value as Record<string, unknown>)[key], random, junk);
  if (Array.isArray(value)) return value.map((one: unknown, at) => (String(at) === key ? changed : one));
  return { ...value, [key]: changed };
}
