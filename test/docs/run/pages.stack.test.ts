/**
 * Every block of commands in the pages, run in its order in an empty directory against a real Temporal server, a worker and
 * real nodes, with the program as built. What cannot run here says so in the page: `<!-- not run: reason -->` before the
 * block; test/docs/commands.test.ts parses it all the same. Other comments before a block:
 *
 * - `before: COMMAND` makes the situation that the block is about;
 * - `refused: TEXT` the commands, each by itself, succeed or are refused with this text, or one of several (`|`).
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { runProgram } from '../../../src/dev/host';
import { findTemporal } from '../../../src/dev/temporal-binary';
import type { Stack } from '../../e2e/stack';
import { startStack } from '../../e2e/stack';
import { fencedBlocks } from '../../support/markdown';
import type { FencedBlock } from '../../support/markdown';
import '../../support/slow-suite';
import { specText } from '../../support/spec-text';

const ROOT = path.join(__dirname, '../../..');
const BLOCK_LIMIT_MS = 180_000;
const LOG = path.join(ROOT, '.test-results/docs.txt');

/** Pages whose commands have a test of their own, or none. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/messages.md': 'test/workflows/clients.test.ts runs them',
  'docs/development.md': 'they run whole test suites and benches',
  'docs/releasing.md': 'they publish a release; test/e2e/package.test.ts packs one',
};

const NODES = ['cp-1', 'w-1', 'w-2', 'w-3', 'w-7'];

const pages = [
  'README.md',
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
]
  .filter((name) => name.endsWith('.md') && ELSEWHERE[name] === undefined)
  .sort();

const note = (block: FencedBlock, kind: string): string | undefined =>
  block.notes.flatMap((text) => new RegExp(`^${kind}: (.+)`).exec(text)?.[1] ?? [])[0];

function commandsOf({ language, code }: FencedBlock): string {
  if (language !== 'console') return code;
  return (code.match(/^\$ .*(\n> .*)*/gm) ?? []).join('\n').replace(/^[$>] /gm, '');
}

let stack: Stack;
let temporal: string;

beforeAll(async () => {
  temporal = await findTemporal(() => undefined);
  mkdirSync(path.dirname(LOG), { recursive: true });
  rmSync(LOG, { force: true });
  stack = await startStack(NODES.map((name) => ({ name, updates: 'none', labReboot: true })));
});

afterAll(async () => {
  process.stderr.write(`\n${summary()}`);
  await stack.stop();
});

/** A directory as a reader has it: specs, keys, a policy; and the programs of the examples. */
async function readersDirectory(page: string): Promise<Reader> {
  const dir = path.join(stack.lab.dir, page.replace(/\W/g, '-'));
  for (const name of ['bin', 'home/.config', 'work/clusters/old', 'work/histories', 'etc/ospatch', 'backups'])
    mkdirSync(path.join(dir, name), { recursive: true });
  symlinkSync(path.join(__dirname, 'ospatch.js'), path.join(dir, 'bin/ospatch'));
  symlinkSync(temporal, path.join(dir, 'bin/temporal'));
  const work = path.join(dir, 'work');
  const spec = (name: string, nodes: string[]): string =>
    specText({
      name,
      patching: '{patchOnBoot: true, rebootIfRequired: true, schedule: {preset: weekly, duration: 4h}}',
      identity: stack.lab.keyName,
      nodes: stack.lab.nodes.filter((node) => nodes.includes(node.name)),
    }).replaceAll('role: worker', 'role: worker, labels: {zone: a, tier: web}');
  writeFileSync(path.join(work, 'prod-eu.yaml'), spec('prod-eu', NODES));
  writeFileSync(
    path.join(work, 'clusters/team-a-one.yaml'),
    spec('team-a-one', ['w-2']).replace('patchOnBoot: true', 'patchOnBoot: false'),
  );
  writeFileSync(path.join(work, 'clusters/old/old.yaml'), spec('old', ['w-7']));
  writeFileSync(path.join(work, 'policy.yaml'), readFileSync(path.join(ROOT, 'examples/worker/policy.yaml')));
  symlinkSync(stack.lab.keyDir, path.join(dir, 'etc/ospatch/keys'));
  const reader = new Reader(dir, page);
  const ready = await reader.run(
    'ospatch enroll -f prod-eu.yaml && cp known_hosts clusters/ && cp known_hosts clusters/old/ && cp policy.yaml known_hosts /etc/ospatch/ && ' +
      // What the page before has left.
      'ospatch apply -f prod-eu.yaml --wait && ospatch resume prod-eu && (ospatch cancel prod-eu || true)',
  );
  if (ready.code !== 0) throw new Error(`${page}: the cluster of the examples: ${ready.stdout}${ready.stderr}`);
  return reader;
}

class Reader {
  constructor(
    readonly dir: string,
    readonly page: string,
  ) {}

  /** Runs commands of the page, with places of this machine for those of the reader's. */
  async run(script: string): Promise<Awaited<ReturnType<typeof runProgram>>> {
    const local = script
      .replaceAll('/etc/ospatch', path.join(this.dir, 'etc/ospatch'))
      .replaceAll('/var/backups/ospatch', path.join(this.dir, 'backups'))
      .replaceAll('temporal.example:7233', stack.server.address)
      .replace(/--run [0-9N]+/g, '--run 1')
      // The stand-in for `ospatch` leaves servers to `endServers`.
      .replace(/^kill %1$/gm, '');
    return runProgram('bash', ['-ec', local], {
      cwd: path.join(this.dir, 'work'),
      timeoutMs: BLOCK_LIMIT_MS,
      env: {
        ...process.env,
        PATH: `${path.join(this.dir, 'bin')}:${process.env['PATH']}`,
        HOME: path.join(this.dir, 'home'),
        XDG_CONFIG_HOME: path.join(this.dir, 'home/.config'),
        DOCS_DIR: this.dir,
        TEMPORAL_ADDRESS: stack.server.address,
        OSPATCH_KEY_DIR: stack.lab.keyDir,
        TZ: 'UTC',
        NO_COLOR: '1',
      },
    });
  }

  endServers(): void {
    const file = path.join(this.dir, 'servers');
    if (!existsSync(file)) return;
    for (const pid of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      try {
        process.kill(-Number(pid), 'SIGINT');
      } catch {
        // It has ended.
      }
    }
    rmSync(file);
  }
}

/** What went wrong with a block; null: nothing. */
async function problemOf(reader: Reader, block: FencedBlock): Promise<string | null> {
  const where = `${reader.page}:${block.line}`;
  const before = note(block, 'before');
  if (before !== undefined) {
    const made = await reader.run(before);
    if (made.code !== 0) return `${where}: before: ${before}: exit code ${made.code}\n${made.stdout}${made.stderr}`;
  }
  const refused = note(block, 'refused');
  const commands = commandsOf(block);
  const scripts = refused === undefined ? [commands] : commands.replace(/\\\n\s*/g, ' ').split('\n');
  for (const script of scripts) {
    const { code, stdout, stderr } = await reader.run(script);
    if (
      code !== 0 &&
      !(refused !== undefined && code === 1 && refused.split(' | ').some((text) => `${stdout}${stderr}`.includes(text)))
    )
      return `${where}: exit code ${code}\n${script}\n${stdout.slice(-1_500)}${stderr.slice(-1_500)}`;
  }
  return null;
}

const every = pages.map((page) => ({
  page,
  blocks: fencedBlocks(readFileSync(path.join(ROOT, page), 'utf8')).filter(({ language }) =>
    ['sh', 'console'].includes(language),
  ),
}));

const runnable = every.flatMap(({ page, blocks }) => {
  const run = blocks.filter((block) => note(block, 'not run') === undefined);
  return run.length === 0 ? [] : [{ page, blocks: run }];
});

let done = 0;

/** What ran, and what did not. */
function summary(): string {
  const left = every.flatMap(({ page, blocks }) =>
    blocks.flatMap((block) => {
      const reason = note(block, 'not run');
      return reason === undefined ? [] : [`  ${page}:${block.line}: ${reason}`];
    }),
  );
  const all = runnable.reduce((sum, { blocks }) => sum + blocks.length, 0);
  const elsewhere = Object.entries(ELSEWHERE).map(([page, reason]) => `  ${page}: ${reason}`);
  return [
    `${done} of ${all} blocks of commands in ${runnable.length} pages did what they say. Not run here, ${left.length} blocks and ${elsewhere.length} pages:`,
    ...elsewhere,
    ...left,
    '',
  ].join('\n');
}

describe('the commands of the pages', () => {
  it.each(runnable)('do what $page says', async ({ page, blocks }) => {
    const reader = await readersDirectory(page);
    const problems: string[] = [];
    for (const block of blocks) {
      const from = Date.now();
      try {
        const problem = await problemOf(reader, block);
        if (problem === null) done += 1;
        else problems.push(problem);
        // For who watches: a page takes minutes.
        appendFileSync(
          LOG,
          `${((Date.now() - from) / 1_000).toFixed(0)} s ${problem ?? `${page}:${block.line} did`}\n`,
        );
      } finally {
        reader.endServers();
      }
    }
    expect(problems.join('\n\n')).toBe('');
  });
});
