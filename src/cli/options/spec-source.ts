import { resolve } from 'node:path';
import { Argument } from 'commander';
import type { Command, Option } from 'commander';
import type { LoadedSpecs, LoadSpecsOptions, SpecProblem } from '../../client/load/spec';
import { sourcesInCommand } from '../../client/load/sources';
import { defined } from '../../domain/shared/defined';
import { OspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';
import { readStdin } from '../io/context';
import type { CliContext } from '../io/context';
import { colors, printNote } from '../io/output';
import { alsoAt, foldProblems } from '../render/problems';
import { parseClusterName } from './arguments';
import { ListOption } from './repeated';

/** Files in a message. */
const MAX_NAMED = 3;

/** Files, directories or `-`, as the user named them. */
export type SpecSources = readonly string[];

/** `-f FILE|DIR|-`, for every command that reads specs. Further files are arguments: see `specSources`. */
export function fileOption(): Option {
  return optionalFileOption().makeOptionMandatory();
}

export function optionalFileOption(): Option {
  return new ListOption(
    '-f, --file <FILE|DIR|->',
    'spec file, directory of *.yaml, or - for standard input; may be given several times, and more files may follow',
  ).argParser((file: string, earlier: string[] | undefined) => {
    // A variable that is not set; it would mean the working directory.
    if (file !== '') return [...(earlier ?? []), file];
    throw new OspatchError({
      type: 'Usage',
      message: '-f: found an empty name; allowed: a file, a directory or -',
      remedy: 'name the file; `-f .` is the working directory',
    });
  });
}

/** For a command that takes specs only: files after -f, as a shell expands `-f *.yaml`. */
export function moreFilesArgument(): Argument {
  return new Argument('[files...]', 'more spec files, as a shell expands -f *.yaml');
}

/** The same for a command that also takes the name of a cluster. */
export function nameOrFilesArgument(description: string): Argument {
  return new Argument('[name...]', `${description}; after -f also more spec files`);
}

/**
 * The sources of a command that takes specs only.
 * @throws OspatchError `Usage` when an argument is the name of a cluster
 */
export async function specSources(
  context: CliContext,
  command: Command,
  args: readonly string[],
): Promise<SpecSources> {
  const { file } = command.opts<{ file: string[] }>();
  const { existsSync } = await import('node:fs');
  const name = args.find((arg) => !isFileName(arg) && !existsSync(resolve(context.cwd, arg)));
  if (name === undefined) return [...file, ...args];
  throw new OspatchError({
    type: 'Usage',
    message: `found ${show(name)} after -f, which is no file; allowed: files and directories, because ${command.name()} takes no name of a cluster`,
    remedy: `name only the files of the clusters that you mean, e.g. ospatch ${command.name()} -f ${file[0] ?? 'prod-eu.yaml'}`,
  });
}

/**
 * The sources of a command that also takes the name of a cluster: after -f, an argument that can be no name is a file.
 * @throws OspatchError `Usage` when a file is named without -f, or several clusters are named
 */
export function nameOrSources(
  command: Command,
  args: readonly string[],
): { name: string | undefined; file: SpecSources | undefined } {
  const { file } = command.opts<{ file?: string[] }>();
  const files = args.filter(isFileName);
  const [name, ...others] = args.filter((arg) => !isFileName(arg));
  const call = `ospatch ${command.name()}`;
  if (files.length > 0 && file === undefined) throw specsNeedOption(command, files);
  if (others.length > 0) {
    throw new OspatchError({
      type: 'Usage',
      message: `found ${args.length} names (${[name, ...others].slice(0, 3).join(', ')}); allowed: one`,
      remedy: `run it once for each cluster, e.g. ${call} ${name ?? ''}`,
    });
  }
  return {
    name: name === undefined ? undefined : parseClusterName(name),
    file: file === undefined ? undefined : [...file, ...files],
  };
}

export function specsNeedOption(command: Command, files: readonly string[]): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `found ${show(files[0])} without -f; allowed: -f before the name of a file`,
    remedy: `ospatch ${command.name()} -f ${sourcesInCommand(files)}`,
  });
}

/** A name of a cluster has neither. */
function isFileName(arg: string): boolean {
  return arg === '-' || /[./]/.test(arg);
}

type SourceOptions = Pick<LoadSpecsOptions, 'requireHostKeys' | 'isNew'>;

/** Loads and validates the specs of a `-f` argument. Problems are returned, not printed. */
export async function loadSource(
  context: CliContext,
  source: SpecSources,
  options: SourceOptions,
): Promise<LoadedSpecs> {
  const { loadSpecs } = await import('../../client/load/spec.js');
  return loadSpecs(source, { ...options, now: context.now(), cwd: context.cwd, stdin: () => readStdin(context) });
}

/**
 * The same, with all problems printed to standard error.
 * @throws OspatchError `InvalidSpec` when one of them is an error.
 */
export async function requireSpecs(
  context: CliContext,
  source: SpecSources,
  options: SourceOptions,
): Promise<LoadedSpecs> {
  const loaded = await loadSource(context, source, options);
  printProblems(context, loaded.problems);
  if (!loaded.valid) throw invalidSpec(source, loaded.problems);
  return loaded;
}

/** One line per problem: `FILE:LINE:COL: path: message`, warnings marked; the same problem of many nodes is one line. */
export function printProblems(context: CliContext, problems: readonly SpecProblem[]): void {
  const color = colors(context, 'stderr');
  for (const { severity, file, line, column, path, message, others } of foldProblems(problems)) {
    const place = line === null ? file : `${file}:${line}:${column ?? 1}`;
    const mark = severity === 'warning' ? `${color.yellow('warning:')} ` : '';
    const where = path === '' ? '' : `${color.bold(path)}${alsoAt(others)}: `;
    printNote(context, `${place}: ${mark}${where}${message}`);
  }
}

export function invalidSpec(source: SpecSources, problems: readonly SpecProblem[]): OspatchError {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const { subject, verb } = subjectOf(source, errors);
  const remedies = errors.flatMap(({ remedy }) => remedy ?? []);
  // Nothing is wrong with a spec that could not be read.
  const [remedy] = remedies.length === errors.length ? remedies : [];
  const { length } = errors;
  return new OspatchError({
    type: 'InvalidSpec',
    message: `${subject} ${remedy === undefined ? `${verb} not valid` : 'cannot be used'}: ${length} error${length === 1 ? '' : 's'}`,
    ...defined({ remedy }),
  });
}

/** The sources, or of several the files with errors. */
function subjectOf(source: SpecSources, errors: readonly SpecProblem[]): { subject: string; verb: 'is' | 'are' } {
  const names = source.length === 1 ? source : [...new Set(errors.map(({ file }) => file))];
  const shown = names.slice(0, MAX_NAMED).map((name) => (name === '-' ? 'standard input' : name));
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more files` : '';
  return { subject: `${shown.join(', ')}${more}`, verb: names.length === 1 ? 'is' : 'are' };
}
