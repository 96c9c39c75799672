/** What a shell completes, read from the program. */
import type { Command, Option } from 'commander';

/** What may follow: names of clusters, of nodes of the cluster before (one, or several with commas), files, directories, one of several words, or nothing that is known. */
export type Values =
  { kind: 'clusters' | 'node' | 'nodes' | 'files' | 'directories' | 'unknown' } | { kind: 'words'; words: string[] };

export interface CompletedOption {
  /** `-o` and `--output`, or one of them. */
  flags: string[];
  description: string;
  /** Null: the option takes no value. */
  values: Values | null;
  /** Name of the value. */
  valueName: string;
  isRepeatable: boolean;
}

export interface CompletedCommand {
  name: string;
  description: string;
  options: CompletedOption[];
  arguments: { name: string; values: Values; isVariadic: boolean }[];
  commands: CompletedCommand[];
}

/** `program` with its options, and each command with its own. */
export function completionModel(command: Command): CompletedCommand {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: firstLine(command.description()),
    options: help.visibleOptions(command).map(completedOption),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      values: valuesOf(argument.name(), argument.argChoices),
      isVariadic: argument.variadic,
    })),
    commands: help.visibleCommands(command).map(completionModel),
  };
}

function completedOption(option: Option): CompletedOption {
  const takesValue = option.required || option.optional;
  const [, valueName = 'value'] = /[<[](.*?)[>\]]/.exec(option.flags) ?? [];
  return {
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description: firstLine(option.description),
    values: takesValue ? valuesOf(valueName, option.argChoices) : null,
    valueName,
    // A second `--file` adds files; other lists are comma-separated.
    isRepeatable: valueName.startsWith('FILE'),
  };
}

function valuesOf(name: string, choices: string[] | undefined): Values {
  // What stands for a value of the user is left to the user.
  if (choices !== undefined) return { kind: 'words', words: choices.map((word) => word.replace(/=[A-Z]+$/, '=')) };
  const word = name.toLowerCase();
  if (word.startsWith('file')) return { kind: 'files' };
  if (word.startsWith('dir')) return { kind: 'directories' };
  if (word === 'node') return { kind: 'node' };
  if (word === 'a,b') return { kind: 'nodes' };
  return { kind: word === 'name' || word === 'names' ? 'clusters' : 'unknown' };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

/** All commands below `root`, each with the words that lead there; `root` itself first. */
export function everyCommand(
  root: CompletedCommand,
  path: string[] = [],
): { path: string[]; command: CompletedCommand }[] {
  return [{ path, command: root }, ...root.commands.flatMap((one) => everyCommand(one, [...path, one.name]))];
}

/** `apply:-f` for every option with a value; those of `root`, which every command takes, are `:--address`. */
export function flagsWithValue(root: CompletedCommand): string[] {
  return everyCommand(root).flatMap(({ path, command }) =>
    command.options
      .filter(({ values }) => values !== null)
      .flatMap(({ flags }) => flags.map((flag) => `${path.join(' ')}:${flag}`)),
  );
}

/** Whether `ospatch list -o name` prints the names of the clusters. */
export function canListClusters(root: CompletedCommand): boolean {
  const output = root.commands
    .find(({ name }) => name === 'list')
    ?.options.find(({ flags }) => flags.includes('--output'));
  return output?.values?.kind === 'words' && output.values.words.includes('name');
}

/** Prints one name a line; quiet and quick where no server answers. */
export const LIST_CLUSTERS = 'ospatch list -o name --timeout 1s </dev/null 2>/dev/null';

/** The same for the nodes of a cluster, whose name follows. One query: `status` looks at other clusters too. */
export const LIST_NODES = "ospatch get -o 'jsonpath={.nodes[*].name}' --timeout 1s </dev/null 2>/dev/null";
