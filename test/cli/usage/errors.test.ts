import type { Command } from 'commander';
import { buildProgram } from '../../../src/cli/program';
import { OTHER_COMMANDS, OTHER_OPTIONS } from '../../../src/cli/usage/other-words';
import { runOffline } from '../offline-context';
import { fakeTerminal } from '../support';

const program = buildProgram(fakeTerminal().context);

describe('src/cli/usage/errors', () => {
  test.each([
    [['delete', 'prod-eu'], "unknown command 'delete'.", '`ospatch remove NAME` stops managing a cluster'],
    [['describe'], "unknown command 'describe'.", '`ospatch status NAME` shows a cluster and its nodes'],
    [['statsu'], "unknown command 'statsu'.", 'did you mean ospatch status?'],
    [['helper', 'instal'], "unknown command 'instal'.", 'did you mean ospatch helper install?'],
    [['helper', 'delete'], "unknown command 'delete'.", 'ospatch helper --help shows what is allowed'],
    [['frobnicate'], "unknown command 'frobnicate'.", 'ospatch --help shows what is allowed'],
    [['remove', 'x', '--force'], "unknown option '--force'.", '--yes answers the question'],
    [['patch', 'x', '--parallel=3'], "unknown option '--parallel=3'.", '--concurrency N, for one run'],
    [['patch', 'x', '--raeson', 'y'], "unknown option '--raeson'.", 'did you mean --reason?'],
    [['patch'], "missing required argument 'name'.", 'name the cluster, e.g. ospatch patch prod-eu'],
    [['patch', 'x', 'w-1', 'w-2'], "too many arguments for 'patch'.", 'nodes are given with --nodes w-1,w-2'],
    [['pause', 'x', 'y'], "too many arguments for 'pause'.", 'run it once for each cluster, e.g. ospatch pause x'],
    [['logs', 'x', 'W_1!'], 'node: found "W_1!"; allowed: the name of a node', 'ospatch logs --help'],
    [['sudoers', '--form', 'x'], '--form: found "x"; allowed: regex, wildcard', 'ospatch sudoers --help'],
  ])('%j is answered with what is meant', async (args, message, remedy) => {
    const { code, stdout, stderr } = await runOffline(args);
    expect([code, stdout]).toEqual([2, '']);
    const [error = '', fix = '', ...rest] = stderr.split('\n');
    expect(error).toContain(`error: ${message.replace(/\.$/, '')}`);
    expect(fix).toContain(`  fix: ${remedy}`);
    expect(rest).toEqual(['']);
  });

  test('names no command and option that does not exist, and none that does exist as a word of another tool', () => {
    const commands = program.commands.map((command) => command.name());
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const options = all(program).flatMap((command) => command.options.flatMap(({ long }) => long ?? []));
    const hints = Object.values(OTHER_OPTIONS).flat();
    const sentences = [...Object.values(OTHER_COMMANDS), ...hints.map(({ hint }) => hint)];
    for (const sentence of sentences) {
      for (const [, name] of sentence.matchAll(/`ospatch ([a-z][a-z-]*)/g)) expect(commands).toContain(name);
      for (const [name] of sentence.matchAll(/(?<!\S)--[a-z-]+/g)) expect(['--help', ...options]).toContain(name);
    }
    expect(hints.flatMap(({ needs }) => needs ?? []).filter((needs) => !options.includes(needs))).toEqual([]);
    expect(Object.keys(OTHER_COMMANDS).filter((word) => commands.includes(word))).toEqual([]);
  });
});
