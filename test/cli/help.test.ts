/** The examples in the help of every command: each is parsed by the program, and run where no server and no node is needed. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program';
import { shellCommands } from '../support/shell-commands';
import { runOffline, specText } from './offline-context';
import { fakeTerminal } from './support';

interface Documented {
  name: string;
  examples: string[];
}

function everyCommand(command: Command, parents: readonly string[] = []): { command: Command; name: string }[] {
  const names = [...parents, command.name()];
  return [{ command, name: names.join(' ') }, ...command.commands.flatMap((one) => everyCommand(one, names))];
}

/** The lines below `Examples:` up to the next blank one. */
function documented(): Documented[] {
  return everyCommand(buildProgram(fakeTerminal().context))
    .slice(1)
    .map(({ command, name }) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      const [, lines = ''] = /\nExamples?:\n((?: {2}.*\n?)+)/.exec(help) ?? [];
      return { name, examples: lines.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()])) };
    });
}

function commandsOf(example: string): string[][] {
  // A process substitution is a command of its own.
  return shellCommands(example.replace(/<\(([^)]*)\)/g, ';$1')).filter(([program]) => program === 'ospatch');
}

/** The program, whose commands do nothing. */
function inertProgram(): Command {
  const program = buildProgram(fakeTerminal().context);
  for (const { command } of everyCommand(program)) if (command.commands.length === 0) command.action(() => undefined);
  return program;
}

const OFFLINE = new Set(['validate', 'next', 'schema', 'helper print', 'rbac', 'completion']);

function isOffline([, command = '', ...rest]: readonly string[]): boolean {
  if (OFFLINE.has(command) || OFFLINE.has(`${command} ${rest[0] ?? ''}`)) return true;
  if (command === 'calendar') return rest.includes('-f');
  if (command === 'explain') return rest.includes('--field') || (rest[0] ?? '').includes('.');
  // With a node, that node is asked.
  if (command === 'sudoers') return !rest.includes('-f');
  return command === 'version' && rest.includes('--client');
}

describe('the help of every command', () => {
  const all = documented();

  test('has an example of that command', () => {
    const without = all.filter(
      ({ name, examples }) => !examples.flatMap(commandsOf).some((words) => words.join(' ').startsWith(name)),
    );
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  test.each(all.flatMap(({ examples }) => examples))('parses: %s', async (example) => {
    for (const words of commandsOf(example)) {
      await expect(inertProgram().parseAsync(words.slice(1), { from: 'user' })).resolves.toBeDefined();
    }
  });

  describe('whose examples need no server', () => {
    let cwd: string;
    beforeEach(() => {
      cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-help-'));
      mkdirSync(path.join(cwd, 'clusters'));
      writeFileSync(path.join(cwd, 'prod-eu.yaml'), specText('{schedule: weekly}'));
      writeFileSync(path.join(cwd, 'clusters/prod-us.yaml'), specText('{schedule: monthly}', 'prod-us'));
    });
    afterEach(() => rmSync(cwd, { recursive: true }));

    const commands = all.flatMap(({ examples }) => examples.flatMap(commandsOf)).filter(isOffline);

    test('are more than 20', () => {
      expect(commands.length).toBeGreaterThan(20);
    });

    test.each(commands.map((words) => [words.join(' '), words] as const))('runs: %s', async (_line, words) => {
      const args = words.slice(1).flatMap((word) => (word === 'clusters/*.yaml' ? ['clusters/prod-us.yaml'] : [word]));
      const { code, stdout, stderr } = await runOffline(args, { cwd });
      expect([code, stderr, stdout.length > 0]).toEqual([0, '', true]);
    });
  });
});
