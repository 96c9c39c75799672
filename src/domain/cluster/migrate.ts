/**
 * Converts the state of a cluster, as carried by any release through continue-as-new, to the form of this release.
 *
 * A cluster lives for years and meets every release once. New defaults of specs are filled in here too, because a
 * carried spec must stay equal to the file it was applied from. A test runs every released form through this code.
 */
import { plainText } from '../shared/text';
import type { PackedState } from './packed-state';
import { STATE_VERSION } from './state-version';

/** A state of any release: an object of unknown content. */
type CarriedState = Readonly<Record<string, unknown>>;

/** The step under `key` converts a state of that version to the next version. */
export type MigrationSteps = Readonly<Record<number, (state: CarriedState) => CarriedState>>;

/** Steps are pure and never change once released, so a step uses no function that may change later. */
const STEPS: MigrationSteps = {};

/**
 * Throws a plain error, which fails the workflow task; the task then waits for a worker that can read the state (a
 * newer release, or one with the fault repaired).
 */
export function migrate(value: unknown, steps: MigrationSteps = STEPS, current: number = STATE_VERSION): PackedState {
  if (!isObject(value)) throw new TypeError(`the state of the cluster is ${describe(value)} and cannot be read`);
  let state = value;
  let version = versionOf(state);
  if (version > current) {
    throw new RangeError(
      `the state of the cluster has version ${version}, and this release reads versions up to ${current}; a newer release is required`,
    );
  }
  for (; version < current; version += 1) {
    const step = steps[version];
    if (step === undefined) throw new RangeError(`there is no migration from version ${version} of the state`);
    state = { ...step(state), version: version + 1 };
  }
  for (const [key, isAsExpected] of Object.entries(SHAPE)) {
    if (!isAsExpected(state[key])) {
      throw new TypeError(`the state of the cluster cannot be read: ${key} is ${describe(state[key])}`);
    }
  }
  return state as unknown as PackedState;
}

/** The fields without which a state is unreadable. */
const SHAPE: Readonly<Record<string, (value: unknown) => boolean>> = {
  spec: (value) => isObject(value) && typeof value['name'] === 'string' && typeof value['type'] === 'string',
  createdAt: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  texts: Array.isArray,
  nodes: Array.isArray,
  groups: Array.isArray,
  runs: Array.isArray,
  events: isObject,
  schedule: isObject,
};

function versionOf({ version }: CarriedState): number {
  if (typeof version === 'number' && Number.isSafeInteger(version) && version >= 1) return version;
  throw new TypeError(`the state of the cluster cannot be read: its version is ${describe(version)}`);
}

function isObject(value: unknown): value is CarriedState {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return plainText(typeof value === 'string' ? JSON.stringify(value) : String(value), 60);
}
