/** Arbitrary output of a node: only ospatch errors are thrown, no unsafe text passes, and nothing takes long. */
import { renderStatus } from '../../src/cli/render/status';
import { renderRun } from '../../src/cli/render/run';
import { renderChecks } from '../../src/cli/render/checks';
import { failedInspection, toInspection } from '../../src/domain/inspection/node';
import { isOspatchError } from '../../src/domain/shared/errors';
import type { NodeFacts } from '../../src/domain/node/report';
import { DEFAULT_PACKAGE_POLICY } from '../../src/domain/spec/package-policy';
import { line } from '../../src/domain/explain/explanation';
import { renderCluster, renderNodePatch } from '../../src/domain/render/cluster';
import { parseAnswer, parseJobAnswer } from '../../src/node/job/answer';
import { parseFacts } from '../../src/node/facts';
import { followJob } from '../../src/node/job/follow';
import { apt } from '../../src/node/package-managers/apt';
import { preflightNode } from '../../src/node/preflight';
import { cleanOutput } from '../../src/node/sanitize';
import { applyPlan } from '../../src/node/transaction';
import { PLAIN, node as nodeStatus, live, status } from '../cli/support';
import { patchPlan, settled } from '../support/builders';
import { FUZZ_SEED, Random, UNSAFE_TO_SHOW, stringsIn } from '../support/fuzz';
import { factsAnswer, fakeSession, jobAnswer } from './fake-node';

// No real waiting: the output of the node decides the number of polls.
jest.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }));

const MANAGERS = ['apt', 'dnf', 'dnf5', 'yum', 'zypper', 'apk'] as const;

const ROUNDS = 60;
/** Processor time, independent of other load on the machine. */
const MAX_ROUND_MICROS = 5_000_000;
/** One failure or report, as JSON. */
const MAX_ERROR_BYTES = 64 * 1024;

const PLAN = [
  'out Inst openssl [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])',
  'out The following packages have been kept back:',
  'out   linux-image-amd64 kubelet',
  'held kubelet',
  `digest ${'a'.repeat(64)}`,
  '',
].join('\n');
const REPORT = '- openssl amd64 3.0.1\n+ openssl amd64 3.0.2\nconffile /etc/x.dpkg-dist\nproblem half-installed y\n';
const LOG = 'Setting up openssl (3.0.2) ...\nE: Sub-process dpkg returned an error code (1)\n';

const PIECES: readonly Buffer[] = [
  '\u001b[2J\u001b]0;owned\u0007',
  '\u001b[31;1m',
  '\u0000\u0000',
  '\u202eevil\u2066',
  '\u200b\ufeff\u061c',
  '\r\n',
  '\r',
  '\n',
  '\u2028',
  '\u009b2J',
  'ospatch 1 state=done rc=0 size=0 off=0 log=0 result=0\n',
  'ospatch 2 facts\n',
  'end\n',
  'ospatch-helper:missing \n',
  'ospatch-install:ok\n',
  ' rc=99999999999999999999 size=-1 log=1e999 result=NaN ',
  '=',
  'disk_root_kib=1e999\n',
  'packages_count=Infinity\n',
  'reboot_reason=\u001b]8;;http://evil\u0007x\n',
  'out Inst \u001b[5m [\u202e] (1 [all])\n',
  '__proto__=1\nconstructor=2\n',
  '| <script>alert(1)</script> ![x](http://evil) |',
  'https://user:pw-4f9c@host/',
  '$(touch /tmp/x)`id`;&&',
  '\ud800',
  '\u{10ffff}\u{1f4a9}',
].map((text) => Buffer.from(text));
const BYTES: readonly Buffer[] = [
  ...PIECES,
  Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0xf0, 0x80]),
  Buffer.from([0x80, 0x81, 0xc0]),
];

/** An answer with inserted pieces, truncated, repeated, or empty. */
function corrupt(random: Random, text: string): Buffer {
  let bytes = Buffer.from(text);
  const times = random.below(6);
  for (let count = 0; count < times; count += 1) {
    const at = random.below(bytes.length + 1);
    const piece = random.below(25) === 0 ? Buffer.alloc(1_000_000, random.pick(BYTES)) : random.pick(BYTES);
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + random.below(20))]);
  }
  return random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

function expectSafe(value: unknown): void {
  const unsafe = stringsIn(value).find((text) => UNSAFE_TO_SHOW.test(text) || /:\/\/[^\s/]*pw-4f9c@/.test(text));
  expect(unsafe).toBeUndefined();
  // NaN and Infinity become null on their way through Temporal, where no code expects null.
  expect(
    JSON.stringify(value, (_key, one: unknown) => (typeof one === 'number' && !Number.isFinite(one) ? 'BAD' : one)),
  ).not.toContain('"BAD"');
}

/** The return value of a function, or its error, which must be an ospatch error and small. */
async function outcome<T>(body: () => T | Promise<T>): Promise<T | null> {
  try {
    return await body();
  } catch (error) {
    if (!isOspatchError(error)) throw error;
    expectSafe(error.toInfo());
    expect(JSON.stringify(error.toInfo()).length).toBeLessThan(MAX_ERROR_BYTES);
    return null;
  }
}

/** The node's text in every place where users see such text. */
function expectShownSafely(facts: NodeFacts, words: string): void {
  const nodes = [
    nodeStatus('w-1', {
      state: 'failed',
      patchedVersion: facts.osVersion,
      kernel: facts.kernelRunning,
      lastError: { type: 'PackageManager', message: words, remedy: words },
    }),
  ];
  const shown = status(nodes, {
    current: [live('w-1', { waitingFor: words, lastFailure: words })],
    lastRejection: { at: 'now', request: words, by: words, message: words },
  });
  const observed = { clockAheadMs: 0, plan: patchPlan(), helperPlaced: words, error: null, timedOutMs: null };
  const view = { now: 0, zone: 'UTC', color: PLAIN };
  const error = { type: 'PackageManager', message: words, remedy: words, details: { tail: words } } as const;
  const reading = {
    at: '',
    osVersion: words,
    kernel: words,
    bootId: words,
    packageSetDigest: words,
    rebootRequired: false,
  };
  const record = {
    ...{
      kind: 'node',
      node: 'w-1',
      run: 1,
      outcome: 'failed',
      token: '',
      startedAt: '',
      endedAt: '',
      appliedAt: null,
      reboots: 0,
    },
    ...{ pendingUpdates: 0, steps: [], before: reading, after: reading, error },
    changes: [{ name: words, from: words, to: words, arch: words }],
    keptBack: [{ name: words, reason: words }],
    keptConfigFiles: [words],
    warnings: [{ kind: 'other', message: words, remedy: words }],
    rebootReasons: [words],
  } as const;
  const result = record as unknown as Parameters<typeof renderNodePatch>[2];
  const pages = [
    renderStatus(shown, words, view),
    renderRun('demo', { run: 1, summary: null, nodes: [{ settled: settled('w-1'), record: result }] }, PLAIN, 'UTC'),
    renderChecks(
      [
        toInspection('w-1', { ...observed, facts }, { withoutDrain: true, rebootIfRequired: true }),
        failedInspection('w-2', error),
      ],
      PLAIN,
    ),
    renderCluster(shown, [
      line('error', 'failed', words, words, { change: [words] }),
      line('error', 'failed', words, words),
    ]),
    renderNodePatch('demo', 'boot', result),
  ];
  for (const page of pages) {
    expect(UNSAFE_TO_SHOW.exec(page)).toBeNull();
    expect(page.length).toBeLessThan(100_000);
  }
  for (const markdown of pages.slice(-2)) {
    const withoutCode = markdown.replace(/(?<!\\)`[^`]+`/g, '');
    expect(withoutCode).not.toMatch(/(?<!\\)<script|(?<!\\)!\[x(?<!\\)\]/);
  }
}

function microsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return user + system;
}

describe(`src/node against hostile output (OSPATCH_FUZZ_SEED=${FUZZ_SEED})`, () => {
  it('parsers return a value or a rejection, and the values are safe to print', async () => {
    const random = new Random(FUZZ_SEED);
    const healthy: NodeFacts | undefined = parseFacts(1, factsAnswer().replace(/^.*\n/, ''))?.facts;
    if (healthy === undefined) throw new Error('no facts');
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = process.cpuUsage();
      const answer = parseAnswer(corrupt(random, jobAnswer('done rc=100', { log: LOG, answer: PLAN })));
      const job = answer === null ? null : parseJobAnswer(answer);
      if (job !== null) expectSafe({ ...job, log: null, ...(job.state === 'done' ? { result: '' } : { holder: '' }) });
      const facts = parseFacts(1, corrupt(random, factsAnswer().replace(/^.*\n/, '')).toString())?.facts;
      const text = cleanOutput(corrupt(random, LOG).toString());
      expectSafe(text);
      expectSafe(apt.readProgress(corrupt(random, 'Setting up x').toString('latin1')));
      expectShownSafely(facts ?? healthy, corrupt(random, LOG).toString());
      expect(microsSince(started)).toBeLessThan(MAX_ROUND_MICROS);
    }
  });

  it('a whole node patch ends with a report or an error that is safe to store and to print', async () => {
    const random = new Random(FUZZ_SEED + 1);
    const token = '0123456789abcdef';
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = process.cpuUsage();
      const facts = random.below(3) === 0 ? corrupt(random, factsAnswer()) : Buffer.from(factsAnswer());
      const plan = corrupt(random, jobAnswer('done rc=0', { log: LOG, answer: PLAN }));
      // The calls end at the latest with the last answer of the node.
      const session = fakeSession([{ stdout: facts }, { stdout: plan }, { code: 1 }]);
      const report = await outcome(() => preflightNode(session, { token, firstJob: 1, withoutDrain: true }));
      if (report !== null) {
        expectSafe(report);
        expectShownSafely(report.facts, 'fine');
      }
      const rc = random.pick([0, 1, 90, 91, 100, 255]);
      const applied = corrupt(random, jobAnswer(`done rc=${rc}`, { log: LOG, answer: REPORT }));
      const second = fakeSession([{ stdout: applied, stderr: corrupt(random, 'sudo: no\n') }, { code: 1 }]);
      const digest = { digest: 'a'.repeat(64), count: 1 };
      const work = { manager: random.pick(MANAGERS), packages: DEFAULT_PACKAGE_POLICY };
      const end = await outcome(() => applyPlan(second, { token, number: 1 }, digest, work));
      expectSafe(end);
      expectSafe(second.shown);
      expect(JSON.stringify(end).length).toBeLessThan(MAX_ERROR_BYTES);
      const third = fakeSession([{ stdout: corrupt(random, jobAnswer('done rc=1', { log: LOG })) }, { code: 1 }]);
      await outcome(() => followJob(third, { token, phase: 'plan', number: 1 }, { waitSeconds: 0 }));
      expect(microsSince(started)).toBeLessThan(MAX_ROUND_MICROS);
    }
  });
});
