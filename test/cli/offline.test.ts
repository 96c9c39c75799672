import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../src/cli/io/errors';
import { globalOptions } from '../../src/cli/options/global-options';
import { buildProgram } from '../../src/cli/program';
import { OspatchError } from '../../src/domain/shared/errors';
import { policyJsonSchema } from '../../src/domain/policy/parse';
import { specJsonSchema } from '../../src/domain/spec/json-schema';
import { loadSpecs } from '../../src/client/load/spec';
import { fakeTerminal } from './support';
import { runOffline, specText as spec } from './offline-context';

const ROOT = join(__dirname, '../..');
// Building the program uses none of the context; only running a command does.

describe('src/cli without a server', () => {
  let cwd: string;

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'ospatch-cli-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  function write(text: string): void {
    writeFileSync(join(cwd, 'a.yaml'), text);
  }

  describe('validate', () => {
    it('prints one line per valid cluster and exits 0', async () => {
      write(`${spec('{schedule: weekly, timeZone: Europe/Berlin}')}---\napiVersion: ospatch/v1\nname: x\ntype: aks\n`);
      expect(await runOffline(['validate', '-f', 'a.yaml'], { cwd })).toEqual({
        code: 0,
        stdout:
          'a.yaml: cluster prod-eu is valid (self-managed, 1 node, every Sunday at 00:00 (Europe/Berlin))\n' +
          'a.yaml: cluster x is valid (aks, listed, not patched)\n',
        stderr: '',
      });
    });

    it('prints every problem with its location, warnings marked, and exits 2', async () => {
      write(spec('{schedule: {custom: {month: 2, day: 29, hour: 25, minute: 0}}}'));
      const { code, stdout, stderr } = await runOffline(['validate', '-f', 'a.yaml'], { cwd });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr.split('\n')).toEqual([
        expect.stringMatching(/^a\.yaml:3:\d+: warning: patching\.schedule\.custom\.day: found February 29/),
        expect.stringMatching(/^a\.yaml:3:\d+: patching\.schedule\.custom\.hour: found 25; allowed: /),
        'error: a.yaml is not valid: 1 error.',
        expect.stringMatching(/^  fix: /),
        '',
      ]);
    });

    it.each(['text', 'json'])('does not count a cluster with a duplicate key as valid in %s', async (format) => {
      write(spec('{}').replace('name: prod-eu\n', 'name: prod-eu\nname: prod-eu\n'));
      const { code, stdout, stderr } = await runOffline(['validate', '-f', 'a.yaml', '-o', format], { cwd });
      expect(code).toBe(2);
      if (format === 'json') expect(JSON.parse(stdout)).toMatchObject({ valid: false, clusters: [] });
      else expect([stdout, stderr]).toEqual(['', expect.stringContaining('the key "name" comes twice')]);
    });

    it('reports an invalid cluster name', async () => {
      expect(await runOffline(['status', 'Bad Name'], { cwd })).toEqual({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^error: cluster name "Bad Name" is not valid: allowed are .*\n  fix: /),
      });
    });

    it('exits 0 when there are warnings only', async () => {
      write(spec('{schedule: {custom: {month: 2, day: 29, hour: 2, minute: 0}}}'));
      const { code, stderr } = await runOffline(['validate', '-f', 'a.yaml'], { cwd });
      expect([code, stderr]).toEqual([0, expect.stringContaining('warning: ')]);
    });

    it('prints the same as JSON', async () => {
      write(spec('{schedule: fortnightly}'));
      const { code, stdout, stderr } = await runOffline(['validate', '-f', 'a.yaml', '-o', 'json'], { cwd });
      expect([code, stderr]).toEqual([2, '']);
      expect(JSON.parse(stdout)).toEqual({
        valid: false,
        clusters: [],
        problems: [
          {
            severity: 'error',
            file: 'a.yaml',
            line: 3,
            column: 22,
            path: 'patching.schedule',
            message: expect.stringContaining('found "fortnightly"'),
          },
        ],
      });
    });

    it('reads standard input', async () => {
      const { code, stdout } = await runOffline(['validate', '-f', '-'], { cwd, input: spec('{}') });
      expect([code, stdout]).toEqual([0, '<stdin>: cluster prod-eu is valid (self-managed, 1 node, on demand only)\n']);
    });
  });

  describe('usage', () => {
    it.each([
      [['nxt'], "error: unknown command 'nxt'"],
      [['validate'], "error: required option '-f, --file <FILE|DIR|->' not specified"],
      [['schema', 'extra'], "error: too many arguments for 'schema'"],
      [['next', '-f', 'a.yaml', 'extra'], 'error: found "extra" after -f, which is no file'],
      [['next', '-f', 'a.yaml', '--count', '0'], '--count: found "0"; allowed: a whole number from 1 to 1000.'],
      [['next', '-f', 'a.yaml', '--count', '1001'], 'allowed: a whole number from 1 to 1000.'],
      [
        ['validate', '-f', 'a.yaml', '-o', 'xml'],
        '-o, --output: found "xml"; allowed: text, wide, json, yaml, name, jsonpath=TEMPLATE.',
      ],
      [['--timeout', '5', 'schema'], '--timeout: found "5"; allowed: a duration with a unit'],
      [[], 'Usage: ospatch'],
    ])('%j exits 2 with the reason', async (args, message) => {
      const { code, stdout, stderr } = await runOffline(args, { cwd });
      expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)]);
    });

    it('accepts global options before and after the command', () => {
      const program = buildProgram(fakeTerminal().context);
      const seen: unknown[] = [];
      program.command('probe').action((_options, command) => {
        seen.push(globalOptions(command));
      });
      program.parse(['--address', 'h:1', 'probe', '--timeout', '1m'], { from: 'user' });
      expect(seen).toEqual([{ address: 'h:1', timeoutMs: 60_000 }]);
    });

    it('has help with an example for every command', async () => {
      const names = buildProgram(fakeTerminal().context).commands.map((command) => command.name());
      expect(names).toEqual(expect.arrayContaining(['validate', 'schema', 'next']));
      for (const name of names) {
        const { code, stdout } = await runOffline([name, '--help']);
        expect([name, code, stdout]).toEqual([name, 0, expect.stringMatching(/Examples?:\n {2}/)]);
      }
    });
  });

  describe('errors', () => {
    async function reportOf(error: unknown) {
      const codes: number[] = [];
      let stderr = '';
      const context = {
        stderr: { write: (text: string) => (stderr += text) },
        env: {},
        isErrorTTY: false,
        now: () => 0,
        setExitCode: (code: number) => codes.push(code),
      };
      await runCommand(context as never, () => Promise.reject(error as Error));
      return { codes, stderr };
    }

    it.each([
      ['Usage', 2],
      ['InvalidSpec', 2],
      ['NotFound', 1],
      ['NoServer', 1],
    ] as const)('of type %s exit %d with message and remedy', async (type, code) => {
      expect(await reportOf(new OspatchError({ type, message: 'it broke', remedy: 'mend it' }))).toEqual({
        codes: [code],
        stderr: 'error: it broke.\n  fix: mend it\n',
      });
    });

    it('prints no stack trace for a bug but names the file with the trace', async () => {
      const { codes, stderr } = await reportOf(new Error('boom'));
      const file = /the file (\S+)/.exec(stderr)?.[1] ?? '';
      expect([codes, stderr.split('\n')[0]]).toEqual([[1], 'error: this is a bug in ospatch: boom']);
      expect(stderr).not.toContain('at ');
      expect(existsSync(file) && readFileSync(file, 'utf8')).toContain('Error: boom\n    at ');
      rmSync(file);
    });
  });

  describe('colours', () => {
    const coloured = async (options: Parameters<typeof runOffline>[1]) =>
      (await runOffline(['validate', '-f', 'none.yaml'], { cwd, ...options })).stderr.includes('\u001b[');

    it('are used on terminals only and honour NO_COLOR', async () => {
      expect(await coloured({ isErrorTTY: true })).toBe(true);
      expect(await coloured({ isErrorTTY: false })).toBe(false);
      expect(await coloured({ isErrorTTY: true, env: { NO_COLOR: '1' } })).toBe(false);
    });
  });

  describe('schema', () => {
    it('equals the output of the command', async () => {
      const { code, stdout } = await runOffline(['schema']);
      expect([code, JSON.parse(stdout)]).toEqual([0, specJsonSchema()]);
    });

    it('and the reference page are up to date; after a build, node scripts/generate-schema.js writes them', () => {
      const { generatedFiles, policyFiles } = jest.requireActual<{
        generatedFiles(schema: unknown): { file: string; text: string }[];
        policyFiles(schema: unknown): { file: string; text: string }[];
      }>('../../scripts/generate-schema.js');
      const files = [...generatedFiles(specJsonSchema()), ...policyFiles(policyJsonSchema())];
      for (const { file, text } of files) expect(readFileSync(file, 'utf8')).toBe(text);
    });
  });

  it('accepts the examples', async () => {
    const { problems, specs } = await loadSpecs(join(ROOT, 'examples'), { now: Date.now(), requireHostKeys: false });
    expect(problems).toEqual([]);
    expect(specs.length).toBeGreaterThanOrEqual(8);
  });
});
