/** Errors on the command line: each with a remedy that fits what was typed. */
import type { Command, CommanderError } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import { plainLines } from '../../domain/shared/text';
import { show } from '../../domain/spec/issues';
import { OTHER_COMMANDS, OTHER_OPTIONS } from './other-words';

/** Makes usage errors of `command` and the commands below `OspatchError`s with a remedy; help and version stay as they are. */
export function explainUsageErrors(command: Command): void {
  command.showHelpAfterError(false).exitOverride((error) => {
    // The help that is shown without a command, and what was asked for.
    if (error.code === 'commander.help' || error.exitCode === 0) throw error;
    throw usageError(command, error);
  });
  command.commands.forEach(explainUsageErrors);
}

const MISSING_OPTION = 'commander.missingMandatoryOptionValue';

function usageError(command: Command, error: CommanderError): OspatchError {
  const [message = '', suggestion] = error.message.split('\n(Did you mean ');
  // Commander looks for what is missing first, which an option of another tool was to give.
  const unknown = error.code === MISSING_OPTION ? command.args.find((arg) => /^-./.test(arg)) : undefined;
  if (unknown !== undefined) {
    const hint = ofOtherOption(command, unknown) ?? `${nameOf(command)} --help shows what is allowed`;
    return new OspatchError({ type: 'Usage', message: `unknown option ${show(unknown)}`, remedy: hint });
  }
  const remedy = specificRemedy(command, error.code, message) ?? didYouMean(command, error.code, suggestion);
  return new OspatchError({
    type: 'Usage',
    message: asFound(message.replace(/^error: /, '')),
    remedy: remedy ?? `${nameOf(command)} --help shows what is allowed`,
  });
}

function specificRemedy(command: Command, code: string, message: string): string | null {
  const [, word = ''] = /'(.*)'/s.exec(message) ?? [];
  switch (code) {
    case 'commander.unknownCommand':
      return command.parent === null ? (OTHER_COMMANDS[word.toLowerCase()] ?? null) : null;
    case 'commander.unknownOption':
      return ofOtherOption(command, word);
    case 'commander.missingArgument':
      return missingArgument(command, word);
    case MISSING_OPTION:
      return missingOption(command, word);
    case 'commander.optionMissingArgument':
      return word.startsWith('--prune ')
        ? '--prune PREFIX removes clusters whose names begin with PREFIX and that no spec names, --prune-all all of the namespace'
        : null;
    case 'commander.excessArguments':
      return surplusArgument(command);
    default:
      return null;
  }
}

function ofOtherOption(command: Command, flag: string): string | null {
  const [name = ''] = flag.split('=', 1);
  const has = (long: string): boolean => command.options.some((option) => option.long === long);
  const hints = OTHER_OPTIONS[name] ?? [];
  return hints.find(({ needs }) => needs === undefined || has(needs))?.hint ?? null;
}

function missingArgument(command: Command, name: string): string | null {
  const [cluster = 'prod-eu'] = command.args;
  const call = `${nameOf(command)} ${cluster}`;
  if (name === 'name') return `name the cluster, e.g. ${call}; \`ospatch list\` lists the names`;
  if (name === 'node') return `name the node, e.g. ${call} w-1; \`ospatch status ${cluster}\` lists the nodes`;
  return null;
}

/** The specs of a command are given with -f, which other tools take without. */
function missingOption(command: Command, flags: string): string | null {
  const [first] = command.args;
  if (!flags.includes('--file')) return `give it, e.g. ${nameOf(command)} ... ${flags.replace('<text>', '"TEXT"')}`;
  return `name the specs, e.g. ${nameOf(command)} -f ${first ?? 'prod-eu.yaml'}`;
}

function surplusArgument(command: Command): string | null {
  const last = command.registeredArguments.length;
  const surplus = command.args.slice(last);
  const takesNodes = command.options.some(({ long }) => long === '--nodes');
  if (takesNodes && last === 1) return `nodes are given with --nodes ${surplus.join(',')}`;
  if (command.registeredArguments[0]?.name() !== 'name') return null;
  return last === 1 ? `run it once for each cluster, e.g. ${nameOf(command)} ${command.args[0] ?? 'prod-eu'}` : null;
}

function didYouMean(command: Command, code: string, suggestion: string | undefined): string | null {
  if (suggestion === undefined) return null;
  const words = suggestion.replace(/^one of /, '').replace(/\?\)$/, '');
  const whole =
    code === 'commander.unknownCommand' ? words.split(', ').map((word) => `${nameOf(command)} ${word}`) : [words];
  return `did you mean ${whole.join(' or ')}? ${nameOf(command)} --help shows what is allowed`;
}

/** `ospatch helper install`. */
function nameOf(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

const INVALID_OPTION = /^option '(?<flags>[^']*)' argument '(?<value>.*)' is invalid\. (?<why>Allowed.*)$/s;
const INVALID_ARGUMENT =
  /^command-argument value '(?<value>.*)' is invalid for argument '(?<flags>[^']*)'\. (?<why>Allowed.*)$/s;

/** An invalid value, as in the errors of specs: `--count: found "0"; allowed: a whole number from 1 to 1000`. */
function asFound(text: string): string {
  const { flags, value, why } = (INVALID_OPTION.exec(text) ?? INVALID_ARGUMENT.exec(text))?.groups ?? {};
  if (flags === undefined || value === undefined || why === undefined) return plainLines(text);
  const subject = flags.replace(/ [<[].*$/, '');
  const allowed = why.replace(/^Allowed choices are /, '').replace(/^Allowed: /, '');
  return `${subject}: found ${show(value)}; allowed: ${allowed.replace(/\.$/, '')}`;
}
