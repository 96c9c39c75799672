import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { migrate } from '../../../src/domain/cluster/migrate';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { newClusterState } from '../../../src/domain/cluster/state';
import { STATE_VERSION } from '../../../src/domain/cluster/state-version';
import { toStatus } from '../../../src/domain/cluster/status';
import { diffSpecs } from '../../../src/domain/spec/diff';
import { withDefaults } from '../../../src/domain/spec/parse';
import { clusterSpec } from '../../support/builders';

const STATES = path.join(__dirname, 'states');

/** The state that its release carried over continue-as-new, and the meaning at that time. */
function recorded(file: string): { carried: unknown; state: unknown } {
  return JSON.parse(readFileSync(path.join(STATES, file), 'utf8')) as { carried: unknown; state: unknown };
}

const carried = () => packState(newClusterState(clusterSpec(), 'id', '2027-01-01T00:00:00.000Z'));

describe('src/domain/cluster/migrate', () => {
  const files = readdirSync(STATES).sort();

  it('has a recorded state of every version', () => {
    expect(files).toEqual(Array.from({ length: STATE_VERSION }, (_, at) => `v${at + 1}.json`));
    expect(carried().version).toBe(STATE_VERSION);
  });

  it.each(files)('reads %s, with every present default of the spec', (file) => {
    const state = unpackState(migrate(recorded(file).carried));
    expect(diffSpecs(state.spec, withDefaults(state.spec))).toEqual([]);
    const status = toStatus(state);
    expect(status).toMatchObject({ cluster: 'demo', run: { number: 1, state: 'running' } });
    expect(status.nodes.map(({ state: one }) => one)).toEqual(state.nodes.map(() => 'failed'));
    // The state as written today is readable again.
    expect(unpackState(migrate(JSON.parse(JSON.stringify(packState(state)))))).toEqual(state);
  });

  it('reads its own states without loss', () => {
    const { carried: packed, state } = recorded(`v${STATE_VERSION}.json`);
    expect(unpackState(migrate(packed))).toEqual(state);
  });

  it('applies the migrations in order, from any version', () => {
    const steps = {
      1: (state: object) => ({ ...state, runs: ['one'] }),
      2: (state: { runs?: unknown }) => ({ ...state, runs: [...(state.runs as string[]), 'two'] }),
    };
    expect(migrate(carried(), steps, 3)).toMatchObject({ version: 3, runs: ['one', 'two'] });
    expect(migrate({ ...carried(), version: 2 }, steps, 3)).toMatchObject({ version: 3, runs: ['two'] });
    expect(() => migrate(carried(), {}, 2)).toThrow('no migration from version 1');
  });

  it.each([
    [{ version: STATE_VERSION + 1 }, `has version ${STATE_VERSION + 1}, and this release reads versions up to`],
    [{ version: '1' }, 'its version is "1"'],
    [{ version: undefined }, 'its version is undefined'],
    [{ spec: null }, 'spec is null'],
    [{ nodes: {} }, 'nodes is an object'],
    [{ createdAt: 'then' }, 'createdAt is "then"'],
  ])('rejects %j with a plain error, which fails the workflow task and not the workflow', (more, message) => {
    let failure: unknown;
    try {
      migrate({ ...carried(), ...more });
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ message: expect.stringContaining(message) });
    expect((failure as Error).name).toMatch(/^(Type|Range)Error$/);
  });

  it.each([null, undefined, 5, 'x', []])('rejects %j', (value) => {
    expect(() => migrate(value)).toThrow('cannot be read');
  });
});
