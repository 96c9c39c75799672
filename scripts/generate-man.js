'use strict';
/**
 * Writes the man pages from the definitions of the command line: ospatch.1, and ospatch-COMMAND.1 for each command, with its
 * subcommands. Usage, after a build: node scripts/generate-man.js DIRECTORY
 */
const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const SITE = 'https://github.com/ospatch/ospatch';

/** Text of a man page as roff: nothing in it is a request, and a hyphen is the one that can be copied to a shell. */
function roff(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');
}

/** `.B` and the like take words; quotes keep them together. */
function request(name, ...words) {
  return `${name} ${words.map((word) => `"${roff(word).replaceAll('"', '""')}"`).join(' ')}`;
}

/** What `--help` says after the options, as blocks without the examples' indentation being lost. */
function afterHelp(command) {
  let text = '';
  command.emit('afterHelp', {
    error: false,
    command,
    write: (part) => {
      text += part;
    },
  });
  return text.trim();
}

/** Blocks of text between empty lines: paragraphs, and headed blocks such as `Examples:` with indented lines. */
function blocksOf(text) {
  return text
    .split(/\n(?:[ \t]*\n)+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const [, heading, rest] = /^([A-Z][a-z]+):[ \t]*\n?([\s\S]*)$/.exec(block) ?? [];
      const lines = (rest ?? block).split('\n');
      return { heading: heading?.toUpperCase() ?? null, lines };
    });
}

/** Lines that are indented are shown as they are; the others flow. */
function body(lines) {
  const out = [];
  let isVerbatim = false;
  for (const line of lines) {
    const isCode = /^\s+\S/.test(line);
    if (isCode && !isVerbatim) out.push('.nf');
    if (!isCode && isVerbatim) out.push('.fi');
    isVerbatim = isCode;
    out.push(roff(isCode ? line.replace(/^ {2}/, '') : line.trim()));
  }
  if (isVerbatim) out.push('.fi');
  return out.filter((line) => line !== '');
}

function optionItem(option) {
  const notes = [
    option.argChoices === undefined ? '' : `one of ${option.argChoices.join(', ')}`,
    option.description.includes('default') ? '' : defaultOf(option),
  ].filter((note) => note !== '');
  const text = notes.length === 0 ? option.description : `${option.description} (${notes.join('; ')})`;
  return ['.TP', request('.B', option.flags), ...text.split('\n').map(roff)];
}

function defaultOf({ defaultValue, defaultValueDescription }) {
  if (defaultValueDescription !== undefined) return `default ${defaultValueDescription}`;
  return ['string', 'number'].includes(typeof defaultValue) ? `default ${defaultValue}` : '';
}

function argumentItem(argument) {
  const choices = argument.argChoices === undefined ? '' : ` (one of ${argument.argChoices.join(', ')})`;
  return ['.TP', request('.I', argument.name()), roff(`${argument.description}${choices}`)];
}

/** Commands below `command` but `help`, which only repeats what is said here. */
function commandsOf(command) {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
}

/** Options of a command but `--help`, which all have. */
function optionsOf(command) {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help');
}

function usage(command, words) {
  const children = commandsOf(command);
  if (children.length > 0) return children.flatMap((child) => usage(child, [...words, child.name()]));
  const options = optionsOf(command).length > 0 ? ' [options]' : '';
  const args = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? ` <${name}>` : ` [${name}]`;
  });
  return [`${words.join(' ')}${options}${args.join('')}`];
}

/** The description with the paragraphs of the help, and the headed blocks of the help. */
function texts(command) {
  const description = sentence(command.description()).split('\n').map(roff);
  const named = new Map();
  for (const { heading, lines } of blocksOf(afterHelp(command))) {
    if (heading === null) description.push('.PP', ...body(lines));
    else named.set(heading, [...(named.get(heading) ?? []), ...(named.has(heading) ? ['.PP'] : []), ...body(lines)]);
  }
  return { description, named: [...named] };
}

/** Descriptions of commands are written for a list. */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.:!?]$/.test(text) ? '' : '.'}`;
}

/** `version` and `date` are in the footer. */
function header(name, section, { version, date }) {
  return request('.TH', name.toUpperCase(), String(section), date, `ospatch ${version}`, 'ospatch');
}

/** One command with its subcommands. */
function commandPage(command, about) {
  const name = `ospatch-${command.name()}`;
  const words = ['ospatch', command.name()];
  const children = commandsOf(command);
  const lines = [
    header(name, 1, about),
    '.SH NAME',
    `${roff(name)} \\- ${roff(firstSentence(command.description()))}`,
    '.SH SYNOPSIS',
    ...usage(command, words).flatMap((line, at) => [...(at === 0 ? [] : ['.br']), request('.B', line)]),
    '.SH DESCRIPTION',
    ...texts(command).description,
    ...details(command, (title) => `.SH ${title}`),
    ...children.flatMap((child) => [
      request('.SH', [...words, child.name()].join(' ').toUpperCase()),
      ...texts(child).description,
      ...details(child, (title) => request('.SS', title)),
    ]),
    '.SH GLOBAL OPTIONS',
    'See',
    '.BR ospatch (1).',
    '.SH SEE ALSO',
    ...(command.name() === 'worker' ? ['.BR ospatch (1),', '.BR ospatch\\-worker.service (8)'] : ['.BR ospatch (1)']),
    '.PP',
    SITE,
  ];
  return { file: `${name}.1`, text: `${lines.join('\n')}\n` };
}

function details(command, heading) {
  const options = optionsOf(command);
  const args = command.registeredArguments;
  return [
    ...(args.length === 0 ? [] : [heading('ARGUMENTS'), ...args.flatMap(argumentItem)]),
    ...(options.length === 0 ? [] : [heading('OPTIONS'), ...options.flatMap(optionItem)]),
    ...texts(command).named.flatMap(([title, lines]) => [heading(title), ...lines]),
  ];
}

function firstSentence(text) {
  return text.split('\n', 1)[0].replace(/\.$/, '');
}

function mainPage(program, about) {
  const commands = commandsOf(program);
  const lines = [
    header('ospatch', 1, about),
    '.SH NAME',
    `ospatch \\- ${roff('keep the operating system of cluster nodes at the latest patch version')}`,
    '.SH SYNOPSIS',
    '.B ospatch',
    '.RI [ options ]',
    '.I command',
    '.RI [ arguments ]',
    '.SH DESCRIPTION',
    roff(program.description()),
    'Clusters are described in YAML files, and live as workflows in Temporal; workers log in to the nodes.',
    '.SH COMMANDS',
    ...commands.flatMap((command) => [
      '.TP',
      request('.BR', `ospatch-${command.name()}`, '(1)'),
      roff(firstSentence(command.description())),
    ]),
    '.SH GLOBAL OPTIONS',
    'All commands take these, before or after the name of the command.',
    ...optionsOf(program).flatMap(optionItem),
    '.TP',
    request('.B', '-h, --help'),
    roff('what a command does, with its options and examples'),
    '.SH ENVIRONMENT',
    '.TP',
    '.BR TEMPORAL_ADDRESS ", " TEMPORAL_NAMESPACE ", " TEMPORAL_PROFILE ", ..."',
    'the Temporal server, as for the temporal command line',
    '.TP',
    '.B OSPATCH_SIGNING_KEY',
    roff('as --sign-with'),
    '.PP',
    'Those of workers are in',
    '.BR ospatch\\-worker (1).',
    '.SH EXIT STATUS',
    '.TP',
    '.B 0',
    'success',
    '.TP',
    '.B 1',
    'failure',
    '.TP',
    '.B 2',
    'usage error, or invalid spec',
    '.TP',
    '.B 130',
    roff('ended by Ctrl-C'),
    '.SH SEE ALSO',
    '.BR temporal (1),',
    '.BR ospatch\\-worker.service (8)',
    '.PP',
    SITE,
  ];
  return { file: 'ospatch.1', text: `${lines.join('\n')}\n` };
}

/** All pages: `{ file, text }`. */
function manPages(program, about) {
  const commands = commandsOf(program);
  return [mainPage(program, about), ...commands.map((command) => commandPage(command, about))];
}

/** Day of the release, the same in every build of a commit. */
function dateOf(env) {
  const epoch = Number(env.SOURCE_DATE_EPOCH ?? Date.now() / 1000);
  return new Date(epoch * 1000).toISOString().slice(0, 10);
}

module.exports = { manPages };

if (require.main === module) {
  const [dir, ...more] = process.argv.slice(2);
  if (dir === undefined || more.length > 0) {
    console.error('usage: node scripts/generate-man.js DIRECTORY');
    process.exit(2);
  }
  const { buildProgram } = require(path.join(ROOT, 'lib/cli/program.js'));
  const { processContext } = require(path.join(ROOT, 'lib/cli/io/context.js'));
  const { version } = require(path.join(ROOT, 'package.json'));
  mkdirSync(dir, { recursive: true });
  for (const { file, text } of manPages(buildProgram(processContext()), { version, date: dateOf(process.env) })) {
    writeFileSync(path.join(dir, file), text);
  }
}
