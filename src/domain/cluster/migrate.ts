/**
 * The state of a cluster as any release has carried it through continue-as-new, in the form of this release.
 *
 * A cluster lives for years and meets every release once. New defaults of specs are filled in here too: a carried spec must
 * stay equal to the file it was applied from. A test holds every form that was ever released against this code.
 */
import { plainText } from '../shared/text';
import type { PackedState } from './packed-state';
import { STATE_VERSION } from './state-version';

/** A state of some release: an object, and nothing more is known of it. */
type CarriedState = Readonly<Record<string, unknown>>;

/** What makes a state of version `key` one of the next. */
export type MigrationSteps = Readonly<Record<number, (state: CarriedState) => CarriedState>>;

/** Pure, and never touched again once released: a step uses no function that may change later. */
const STEPS: MigrationSteps = {};

/**
 * Throws a plain error, with which the workflow task fails and waits for a worker that can read the state: one of a newer
 * release, or one whose fault has been repaired.
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

/** The parts without which nothing can be read at all. */
const SHAPE: Readonly<Record<string, (value: unknown) => boolean>> = {
  spec: (value) => isObject(value) && typeof value['name'] === 'string' && typeof value['type'] === 'string',
  createdAt: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  texts: Array.isArray,
  nodes: Array.isArray,
  groups: Array.isArray,
  runs: Array.isArray,
  windows: Array.isArray,
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
