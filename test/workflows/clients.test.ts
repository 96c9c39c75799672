/** A cluster's whole life from clients that are not ours, as docs/messages.md describes it: its own examples are run. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseMessage } from '../../src/domain/cluster/messages';
import { parseSpecMessage } from '../../src/domain/cluster/spec-message';
import { STEERING, parseSteering } from '../../src/domain/cluster/steering';
import { runProgram } from '../../src/dev/host';
import { findTemporal } from '../../src/dev/temporal-binary';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import { GO_CLIENT_TASK_QUEUE, cachedGoClient } from '../../tools/go-client';
import { cachedPython } from '../../tools/python-sdk';
import { fencedBlocks } from '../support/markdown';
import type { TestCluster } from './harness';
import { Harness } from './harness';

const DOCUMENT = path.join(__dirname, '../../docs/messages.md');
const TEXT = readFileSync(DOCUMENT, 'utf8');

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea';
const SPEC = {
  apiVersion: 'ospatch/v1',
  name: 'prod-eu',
  patching: { schedule: 'weekly', timeZone: 'Europe/Berlin' },
  ssh: { user: 'ospatch', identity: 'id_ed25519' },
  nodes: ['w-1', 'w-2'].map((name) => ({ name, host: `${name}.example`, hostKeys: [HOST_KEY] })),
};

/** Lines of `text` from `heading` to the next heading of its level or above. */
function section(heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const from = TEXT.indexOf(`\n${heading}\n`);
  if (from < 0) throw new Error(`docs/messages.md has no section ${heading}`);
  const rest = TEXT.slice(from + heading.length + 2);
  const next = rest.search(new RegExp(`^#{1,${level}} `, 'm'));
  return next < 0 ? rest : rest.slice(0, next);
}

function headings(text: string): string[] {
  return [...text.matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name);
}

let harness: Harness;
let dir: string;
let temporal: string;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-clients-'));
  temporal = await findTemporal(() => undefined);
  symlinkSync(temporal, path.join(dir, 'temporal'));
  // The examples convert a file of the reader; here its JSON is there already.
  writeFileSync(path.join(dir, 'yq'), '#!/bin/sh\n[ "$1 $2" = "-o json" ] && cat "$3"\n');
  chmodSync(path.join(dir, 'yq'), 0o755);
  writeFileSync(path.join(dir, 'prod-eu.yaml'), JSON.stringify(SPEC));
  harness = await Harness.start('real');
});

afterAll(async () => {
  await harness.stop();
  rmSync(dir, { recursive: true });
});

const env = () => ({
  ...process.env,
  PATH: `${dir}:${process.env['PATH']}`,
  TEMPORAL_ADDRESS: harness.address,
  TEMPORAL_NAMESPACE: 'default',
  XDG_CONFIG_HOME: dir,
});

/** Runs an example of the document; its output. */
async function example(script: string): Promise<string> {
  const local = script.replaceAll('--task-queue ospatch', '--task-queue prod-eu');
  const { code, stdout, stderr } = await runProgram('bash', ['-ec', local], { cwd: dir, env: env() });
  if (code !== 0) throw new Error(`exit code ${code}: ${script}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Runs the `temporal` CLI, whatever comes of it. */
async function cli(...args: string[]): Promise<string> {
  const { stdout, stderr } = await runProgram(temporal, args, { cwd: dir, env: env() });
  return stdout + stderr;
}

function clusterDocumented(body: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = harness.newCluster('prod-eu');
  return harness.withWorkerFor(cluster, async () => {
    try {
      await body(cluster);
    } finally {
      await cluster.handle.terminate().catch(() => undefined);
    }
  });
}

describe('docs/messages.md', () => {
  it('has examples of a whole life that work with the temporal CLI', () =>
    clusterDocumented(async (cluster) => {
      const outputs: string[] = [];
      for (const { code } of fencedBlocks(TEXT, 'sh')) {
        outputs.push(await example(code));
        // A cluster that is removed has no state.
        if (code.includes('--name patchNow')) await cluster.untilIdle(1);
        if (code.includes('--name resume')) {
          await cluster.until('the pause is over', ({ paused }) => paused === null);
          const { requests } = await cluster.client.history(cluster.name);
          // None of them says who has sent it.
          const [process, cli] = [/^\d+@/, /^temporal-cli:.+@/].map((one) => expect.stringMatching(one) as unknown);
          expect(requests.slice(-4).map(({ request, by }) => [request, by])).toEqual([
            ...['lock', 'unlock'].map((name) => [name, process]),
            ...['pause', 'resume'].map((name) => [name, cli]),
          ]);
        }
        if (code.includes('--name remove')) expect(await cluster.handle.result()).toMatchObject({ state: 'removing' });
      }
      const output = outputs.join('');
      expect(output).toContain('result:unchanged');
      expect(output).toContain('started:true');
      expect(output).toContain('no run patches w-1 until 2099-01-31T18:00:00Z');
      // Of the node patch, from the last block.
      expect(output).toContain('COMPLETED');
    }));

  it('says what is refused as the temporal CLI shows it', () =>
    clusterDocumented(async () => {
      const file = (name: string, value: unknown) => {
        writeFileSync(path.join(dir, name), JSON.stringify(value));
        return name;
      };
      const start = (id: string, input: string, what = 'execute') =>
        cli(
          ...['workflow', what, '--type', 'cluster', '--task-queue', 'prod-eu', '--workflow-id', id],
          ...['--input-file', input],
        );
      const invalid = file('invalid.json', { ...SPEC, patching: { schedule: 'wekly' } });
      expect(await start('cluster/prod-eu', invalid)).toContain(
        'the spec is not valid: patching.schedule: found "wekly"; did you mean "weekly"?',
      );
      expect(await start('prod-eu', 'prod-eu.yaml')).toContain(
        'start the cluster with the workflow id cluster/prod-eu',
      );
      expect(await start('cluster/prod-eu', file('yaml.json', 'name: prod-eu'))).toContain('the input is text');
      expect(await start('cluster/prod-eu', file('none.json', null))).toContain('a cluster starts with its spec');

      await start('cluster/prod-eu', 'prod-eu.yaml', 'start');
      const again = ['--fail-existing', '--type', 'cluster', '--task-queue', 'prod-eu', '--input-file', 'prod-eu.yaml'];
      expect(await cli('workflow', 'start', '--workflow-id', 'cluster/prod-eu', ...again)).toMatch(
        /already (started|running)/,
      );
      const update = (name: string, ...input: string[]) =>
        cli('workflow', 'update', 'execute', '--workflow-id', 'cluster/prod-eu', '--name', name, ...input);
      expect(await update('applySpec', '--input-file', invalid)).toMatch(
        /did you mean \\*"weekly\\*"\?.* \(type: InvalidSpec/,
      );
      expect(await update('skip', '--input', '{"node": "w-1"}')).toContain('no run is in progress');
      expect(await update('patchNow', '--input', '{"node": "w-1"}')).toContain(
        'unknown field node; allowed: requestId',
      );
      expect(await update('remove', '--input', '{}', '--input', '{}')).toContain('a message has one, and there are 2');
      expect(await update('patch')).toContain('no such update: patch; there are patchNow');
    }));

  const python = cachedPython();
  (python === undefined ? it.skip : it)(
    `has an example that works in Python${python === undefined ? ' (skipped: `scripts/setup.sh python` has not got the SDK of Python)' : ''}`,
    () =>
      clusterDocumented(async () => {
        const [{ code } = { code: '' }] = fencedBlocks(TEXT, 'python');
        const program = code.replace('localhost:7233', harness.address).replaceAll('"ospatch"', '"prod-eu"');
        writeFileSync(path.join(dir, 'example.py'), program);
        writeFileSync(path.join(dir, 'prod-eu.json'), JSON.stringify(SPEC));
        const ended = await runProgram(python ?? '', ['example.py'], { cwd: dir, timeoutMs: 60_000 });
        expect(ended).toMatchObject({ code: 0 });
        expect(ended.stdout.split('\n')).toEqual([
          'run 1 started',
          'run 1 succeeded 1 patched 0 failed',
          'Refused no run is in progress',
          'InvalidSpec the spec is not valid: nodes: found an empty list; allowed: a list of 1 to 5000 nodes',
          '',
        ]);
      }),
  );

  const goClient = cachedGoClient();
  (goClient === undefined ? it.skip : it)(
    `has an example that works in Go${goClient === undefined ? ' (skipped: `scripts/setup.sh go-client` has not built it)' : ''}`,
    () =>
      clusterDocumented(async ({ name }) => {
        // The harness names the task queue after the cluster.
        expect(name).toBe(GO_CLIENT_TASK_QUEUE);
        writeFileSync(path.join(dir, 'prod-eu.json'), JSON.stringify(SPEC));
        const ended = await runProgram(goClient ?? '', [], { cwd: dir, env: env(), timeoutMs: 60_000 });
        expect(ended).toMatchObject({ code: 0 });
        // The SDK says on standard output that it logs.
        expect(ended.stdout.split('\n').filter((line) => !line.includes(' INFO '))).toEqual([
          'spec unchanged',
          'run 1 started: true',
          'run 1 succeeded: 1 patched, 0 failed',
          'no run patches w-2 until 2099-01-31T18:00:00Z',
          'Refused no run is in progress',
          expect.stringMatching(
            /^InvalidSpec the spec is not valid: patching.schedule: found "wekly".*; nodes: missing/,
          ),
          '',
        ]);
      }),
  );

  it('names every message that the workflows take, with its description, and no other', () =>
    clusterDocumented(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      const { client } = cluster;
      await cluster.env.client.workflow.start('cluster', {
        ...{ workflowId: 'cluster/prod-eu', taskQueue: 'prod-eu', args: [SPEC] },
      });
      await client.patch('prod-eu');
      await cluster.untilPatching('w-1');
      const definitionOf = async (workflowId: string) => {
        const handle = cluster.env.client.workflow.getHandle(workflowId);
        const { definition } = await handle.query<{
          definition: Record<string, { name: string; description?: string }[]>;
        }>('__temporal_workflow_metadata');
        const all = ['signalDefinitions', 'updateDefinitions', 'queryDefinitions'].map((kind) =>
          // Those of the SDK.
          (definition[kind] ?? []).filter(({ name }) => !name.startsWith('__')),
        );
        expect(all.flat().filter(({ description }) => !/[.:}]$/.test(description ?? ''))).toEqual([]);
        return all.map((list) => list.map(({ name }) => name).sort());
      };
      const requests = headings(section('## Signals and updates')).sort();
      expect(await definitionOf('cluster/prod-eu')).toEqual([
        requests,
        requests,
        headings(section('## Queries')).sort(),
      ]);
      expect(await definitionOf(await cluster.runId(1))).toEqual([[], [], ['progress']]);
      expect(await definitionOf(nodeWorkflowId('prod-eu', 'w-1'))).toEqual([[], ['release'], ['nodePatch']]);
      release();
      await cluster.untilIdle(1);
    }));

  it.each(headings(section('## Signals and updates')))(
    'has inputs of %s that are accepted, and all of its fields',
    (name) => {
      const text = section(`### ${name}`);
      const steering = STEERING.find((one) => one === name);
      const parse = (input: unknown) =>
        steering !== undefined
          ? parseSteering(steering, input)
          : name === 'applySpec'
            ? parseSpecMessage(input)
            : parseMessage(input);
      const inputs = [...text.matchAll(/`(\{".*?\})`/g)].map(
        ([, input = '']) => JSON.parse(input.replace('{...}', '{}')) as object,
      );
      expect(inputs.map((input) => parse({ reason: 'r', ...input }))).toEqual(
        inputs.map(() => expect.objectContaining({ ok: true })),
      );
      const refused = parse(steering === undefined && name !== 'applySpec' ? { no: 1 } : { spec: {}, no: 1 });
      const allowed = refused.ok ? [] : (/allowed: (.*)/.exec(refused.why)?.[1] ?? '').split(', ');
      const common = ['requestId', 'by', 'reason', 'applyId', 'signature'];
      const own = ['patchNow', ...STEERING].includes(name) ? allowed.filter((field) => !common.includes(field)) : [];
      expect(own.filter((field) => !new RegExp(`[\`"]${field}[\`"]`).test(text))).toEqual([]);
    },
  );
});
