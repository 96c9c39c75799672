/** Registers faults as tests, runs several at once, and writes what came of each to `.test-results/faults.jsonl`. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Expected } from './aftermath';
import { aftermath } from './aftermath';
import type { House } from './house';
import { openHouse } from './house';
import { SEED } from './random';
import type { Scene, SceneOptions } from './scene';
import { makeScene } from './scene';

const RESULTS = path.join(__dirname, '../../.test-results');

/** Without OSPATCH_FAULTS=all only the quick faults exist. */
const ALL = process.env['OSPATCH_FAULTS'] === 'all';

export type Row = 'worker' | 'server' | 'network' | 'node' | 'competition' | 'packages' | 'rights' | 'kubernetes';

export interface FaultOptions extends SceneOptions {
  /** Part of `make test` too. A file needs at least one of these. */
  quick?: boolean;
}

/** One line of `.test-results/faults.jsonl`. */
export interface FaultRecord {
  row: Row;
  title: string;
  moment: string;
  ok: boolean;
  state: string;
  transactions: number | null;
  reboots: number | null;
  sentence: string | null;
  seconds: number;
  seed: number;
}

/** `check` is {@link aftermath} for this scene, after which a fault may only look. */
export type FaultBody = (scene: Scene, check: (expected: Expected) => Promise<void>) => Promise<void>;

let house: House | undefined;

/** Registers one fault; faults of a file run side by side. The title is part of what its random choices come from. */
export function fault(row: Row, title: string, options: FaultOptions, body: FaultBody): void {
  if (!ALL && options.quick !== true) return;
  if (house === undefined) {
    house = openHouse();
    const opened = house;
    afterAll(() => opened.close());
    process.stderr.write(`random moments come from OSPATCH_FAULT_SEED=${SEED}\n`);
  }
  const opened = house;
  test.concurrent(title, () => runFault(opened, row, title, options, body));
}

async function runFault(house: House, row: Row, title: string, options: FaultOptions, body: FaultBody): Promise<void> {
  const started = Date.now();
  const record: FaultRecord = {
    row,
    title,
    moment: '',
    ok: false,
    state: '?',
    transactions: null,
    reboots: null,
    sentence: null,
    seconds: 0,
    seed: SEED,
  };
  let scene: Scene | undefined;
  try {
    scene = await makeScene(house, title, options);
    const stage = scene;
    await body(stage, async (expected) => {
      Object.assign(record, await aftermath(stage, expected));
    });
    record.ok = true;
  } catch (error) {
    if (scene !== undefined) await keepReport(scene, title, error);
    throw error;
  } finally {
    record.moment = scene?.moment ?? '';
    record.seconds = Math.round((Date.now() - started) / 1000);
    mkdirSync(RESULTS, { recursive: true });
    appendFileSync(path.join(RESULTS, 'faults.jsonl'), `${JSON.stringify(record)}\n`);
    await scene?.close();
  }
}

async function keepReport(scene: Scene, title: string, error: unknown): Promise<void> {
  const dir = path.join(RESULTS, 'faults');
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, `${title.replaceAll(/[^a-z0-9]+/gi, '-')}.txt`);
  const report = await scene.report().catch((why: unknown) => `no report: ${String(why)}`);
  writeFileSync(file, `${String(error)}\n\n${report}`);
}
