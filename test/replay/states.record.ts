/**
 * Records the state of a cluster in the form of this release, for `test/domain/cluster/migrate.test.ts`. Only the file of a
 * version that is not released yet may change.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { STATE_VERSION } from '../../src/domain/cluster/state-version';
import { packState } from '../../src/domain/cluster/packed-state';
import { worstState } from '../support/worst-state';

const OUT = path.join(__dirname, '../domain/cluster/states');

it(`records a state of version ${STATE_VERSION}`, () => {
  mkdirSync(OUT, { recursive: true });
  const state = worstState(3);
  const recorded = { carried: packState(state), state };
  writeFileSync(path.join(OUT, `v${STATE_VERSION}.json`), `${JSON.stringify(recorded, null, 2)}\n`);
});
