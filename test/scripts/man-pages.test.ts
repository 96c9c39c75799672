/** The man pages, written from the real commands, as roff that man reads without a complaint. */
import { spawnSync } from 'node:child_process';
import { Command, Option } from 'commander';
import { buildProgram } from '../../src/cli/program';
import { which } from '../../src/dev/host';
import { fakeTerminal } from '../cli/support';

interface Page {
  file: string;
  text: string;
}

const { manPages } = jest.requireActual<{
  manPages(program: Command, about: { version: string; date: string }): Page[];
}>('../../scripts/generate-man.js');

const ABOUT = { version: '1.2.3', date: '2026-11-28' };

describe('scripts/generate-man.js', () => {
  const program = buildProgram(fakeTerminal().context);
  const pages = manPages(program, ABOUT);

  test('writes a page for every command, which the page of the program names', () => {
    const names = program.commands.map((command) => command.name()).filter((name) => name !== 'help');
    expect(names.length).toBeGreaterThan(30);
    expect(pages.map(({ file }) => file)).toEqual(['ospatch.1', ...names.map((name) => `ospatch-${name}.1`)]);
    const main = pages[0]?.text ?? '';
    for (const name of names) expect(main).toContain(`"ospatch\\-${name.replaceAll('-', '\\-')}" "(1)"`);
  });

  test('has every option of a command and of its subcommands', () => {
    for (const command of program.commands.filter((one) => one.name() !== 'help')) {
      const page = pages.find(({ file }) => file === `ospatch-${command.name()}.1`)?.text ?? '';
      for (const { options } of [command, ...command.commands]) {
        for (const { flags, hidden } of options) {
          if (!hidden) expect(page).toContain(flags.replaceAll('-', '\\-'));
        }
      }
    }
  });

  test('shows choices, defaults and examples, and lets no text be taken for a request', () => {
    const root = new Command('ospatch').description('what it is');
    root
      .command('try')
      .description("the 'first'\n.SH of all")
      .argument('<name>', 'who')
      .addOption(new Option('--kind <kind>', 'which').choices(['a', 'b']).default('a'))
      .option('--list <name>', 'several', (value: string, all: string[]) => [...all, value], [])
      .addHelpText(
        'after',
        '\nExamples:\n  ospatch try x --kind a\\b\n\nMore about it.\n\nEnvironment: NOTHING (none).',
      );
    const page = manPages(root, ABOUT)[1]?.text;
    expect(page?.split('\n')).toEqual([
      '.TH "OSPATCH\\-TRY" "1" "2026\\-11\\-28" "ospatch 1.2.3" "ospatch"',
      '.SH NAME',
      "ospatch\\-try \\- the 'first'",
      '.SH SYNOPSIS',
      '.B "ospatch try [options] <name>"',
      '.SH DESCRIPTION',
      "The 'first'",
      '\\&.SH of all.',
      '.PP',
      'More about it.',
      '.SH ARGUMENTS',
      '.TP',
      '.I "name"',
      'who',
      '.SH OPTIONS',
      '.TP',
      '.B "\\-\\-kind <kind>"',
      'which (one of a, b; default a)',
      '.TP',
      '.B "\\-\\-list <name>"',
      'several',
      '.SH EXAMPLES',
      '.nf',
      'ospatch try x \\-\\-kind a\\eb',
      '.fi',
      '.SH ENVIRONMENT',
      'NOTHING (none).',
      '.SH GLOBAL OPTIONS',
      'See',
      '.BR ospatch (1).',
      '.SH SEE ALSO',
      '.BR ospatch (1)',
      '.PP',
      'https://github.com/ospatch/ospatch',
      '',
    ]);
  });

  const groff = which('groff') === undefined ? test.skip : test;
  groff('is roff without mistakes', () => {
    const input = pages.map(({ text }) => text).join('');
    const { stderr, status } = spawnSync('groff', ['-man', '-Kutf8', '-Tutf8', '-ww', '-z'], {
      input,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });
});
