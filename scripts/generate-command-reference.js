'use strict';
/**
 * Writes docs/commands.md, every command with its options, from the definitions of the command line. Usage, after a build:
 * node scripts/generate-command-reference.js
 */
const { writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const PAGE = path.join(ROOT, 'docs/commands.md');

const INTRODUCTION = `# Commands and options

<!-- Written by scripts/generate-command-reference.js: edit the descriptions in src/cli. -->

Every command of ospatch with its options, as \`ospatch COMMAND --help\` shows them with examples. [The command line](cli.md) explains what
the commands do and print.
`;

/** A cell of a table, in which nothing is markup. */
function cell(text) {
  return text.replaceAll(/[<>|*_]/g, (char) => `\\${char}`);
}

/** Columns padded as prettier pads them. */
function table(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(3, ...all.map((row) => row[at].length)));
  const line = (row) => `| ${row.map((text, at) => text.padEnd(widths[at])).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

function optionsOf(command) {
  const help = command.createHelp();
  const rows = command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => [
      `\`${option.flags.replaceAll('|', '\\|')}\``,
      cell(help.optionDescription(option).replace(' (default: [])', '')),
    ]);
  return rows.length === 0 ? [] : [table(['option', 'meaning'], rows)];
}

function argumentsOf(command) {
  const help = command.createHelp();
  const rows = command.registeredArguments
    .filter(({ description }) => description !== '')
    .map((argument) => [`\`${argument.name()}\``, cell(help.argumentDescription(argument))]);
  return rows.length === 0 ? [] : [table(['argument', 'meaning'], rows)];
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function sectionOf(command, words) {
  const name = [...words, command.name()];
  const inner = command.commands.filter((one) => one.name() !== 'help');
  const usage = command.createHelp().commandUsage(command);
  const own = [
    `## ${name.slice(1).join(' ')}`,
    sentence(cell(command.description())),
    ...(inner.length > 0 ? [] : [`Usage: \`${usage}\``]),
    ...argumentsOf(command),
    ...optionsOf(command),
  ];
  return [...own, ...inner.flatMap((one) => sectionOf(one, name))];
}

/** The text of docs/commands.md. */
function commandPage(program) {
  const commands = program.commands.filter((command) => command.name() !== 'help');
  const blocks = [
    INTRODUCTION.trimEnd(),
    '## Options of all commands',
    ...optionsOf(program),
    ...commands.flatMap((command) => sectionOf(command, [program.name()])),
  ];
  return `${blocks.join('\n\n')}\n`;
}

module.exports = { commandPage };

if (require.main === module) {
  const { buildProgram } = require(path.join(ROOT, 'lib/cli/program.js'));
  const { processContext } = require(path.join(ROOT, 'lib/cli/io/context.js'));
  writeFileSync(PAGE, commandPage(buildProgram(processContext())));
}
