/** Registers faults as tests, runs several at once, and writes each result to `.test-results/faults.jsonl`. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Expected } from './verify-outcome';
import { verifyOutcome } from './verify-outcome';
import type { Environment } from './environment';
import { openEnvironment } from './environment';
import { SEED } from './random';
import type { Scenario, ScenarioOptions } from './scenario';
import { makeScenario } from './scenario';

const RESULTS = path.join(__dirname, '../../.test-results');

/** Without OSPATCH_FAULTS=all only the quick faults run. */
const ALL = process.env['OSPATCH_FAULTS'] === 'all';

type Row = 'worker' | 'server' | 'network' | 'node' | 'competition' | 'packages' | 'rights' | 'kubernetes';

interface FaultOptions extends ScenarioOptions {
  /** Also runs in `make test`. A file needs at least one quick fault. */
  quick?: boolean;
}

/** One line of `.test-results/faults.jsonl`. */
interface FaultRecord {
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

/** `check` is {@link verifyOutcome} for this scenario; after that call a fault only reads. */
type FaultBody = (scenario: Scenario, check: (expected: Expected) => Promise<void>) => Promise<void>;

let environment: Environment | undefined;

/** Registers one fault; faults of a file run side by side. The title seeds its random choices. */
export function fault(row: Row, title: string, options: FaultOptions, body: FaultBody): void {
  if (!ALL && options.quick !== true) return;
  if (environment === undefined) {
    environment = openEnvironment();
    const opened = environment;
    afterAll(() => opened.close());
    process.stderr.write(`random moments come from OSPATCH_FAULT_SEED=${SEED}\n`);
  }
  const opened = environment;
  test.concurrent(title, () => runFault(opened, row, title, options, body));
}

async function runFault(
  environment: Environment,
  row: Row,
  title: string,
  options: FaultOptions,
  body: FaultBody,
): Promise<void> {
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
  let made: Scenario | undefined;
  try {
    const scenario = await makeScenario(environment, title, options);
    made = scenario;
    await body(scenario, async (expected) => {
      Object.assign(record, await verifyOutcome(scenario, expected));
    });
    record.ok = true;
  } catch (error) {
    if (made !== undefined) await keepReport(made, title, error);
    throw error;
  } finally {
    record.moment = made?.moment ?? '';
    record.seconds = Math.round((Date.now() - started) / 1000);
    mkdirSync(RESULTS, { recursive: true });
    appendFileSync(path.join(RESULTS, 'faults.jsonl'), `${JSON.stringify(record)}\n`);
    await made?.close();
  }
}

async function keepReport(scenario: Scenario, title: string, error: unknown): Promise<void> {
  const dir = path.join(RESULTS, 'faults');
  mkdirSync(dir, { recursive: true });
  const file = path.join(dir, `${title.replaceAll(/[^a-z0-9]+/gi, '-')}.txt`);
  const report = await scenario.report().catch((why: unknown) => `no report: ${String(why)}`);
  writeFileSync(file, `${String(error)}\n\n${report}`);
}
