import { Option } from 'commander';
import type { LoadedSpecs, LoadSpecsOptions, SpecProblem } from '../../client/load/spec';
import { defined } from '../../domain/shared/defined';
import { OspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';
import { readStdin } from '../io/context';
import type { CliContext } from '../io/context';
import { colors, printNote } from '../io/output';
import { alsoAt, foldProblems } from '../render/problems';

/** `-f FILE|DIR|-`, for every command that reads specs. */
export function fileOption(): Option {
  return optionalFileOption().makeOptionMandatory();
}

export function optionalFileOption(): Option {
  return new Option('-f, --file <FILE|DIR|->', 'spec file, directory of *.yaml, or - for standard input').argParser(
    onlyOnce,
  );
}

/** Commander keeps the last of several values, so the specs of the others would be passed over in silence. */
function onlyOnce(file: string, earlier: string | undefined): string {
  // A variable that is not set; it would mean the working directory.
  if (file === '') {
    throw new OspatchError({
      type: 'Usage',
      message: '-f: found an empty name; allowed: a file, a directory or -',
      remedy: 'name the file; `-f .` is the working directory',
    });
  }
  if (earlier === undefined) return file;
  throw new OspatchError({
    type: 'Usage',
    message: `-f is given twice: found ${show(earlier)} and ${show(file)}; allowed: one file, directory or -`,
    remedy: 'put the specs into one directory and give that, or run the command once for each file',
  });
}

type SourceOptions = Pick<LoadSpecsOptions, 'requireHostKeys' | 'isNew'>;

/** Loads and validates the specs of a `-f` argument. Problems are returned, not printed. */
export async function loadSource(context: CliContext, source: string, options: SourceOptions): Promise<LoadedSpecs> {
  const { loadSpecs } = await import('../../client/load/spec.js');
  return loadSpecs(source, { ...options, now: context.now(), cwd: context.cwd, stdin: () => readStdin(context) });
}

/**
 * The same, with all problems printed to standard error.
 * @throws OspatchError `InvalidSpec` when one of them is an error.
 */
export async function requireSpecs(context: CliContext, source: string, options: SourceOptions): Promise<LoadedSpecs> {
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

export function invalidSpec(source: string, problems: readonly SpecProblem[]): OspatchError {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const name = source === '-' ? 'standard input' : source;
  const remedies = errors.flatMap(({ remedy }) => remedy ?? []);
  // Nothing is wrong with a spec that could not be read.
  const [remedy] = remedies.length === errors.length ? remedies : [];
  const { length } = errors;
  return new OspatchError({
    type: 'InvalidSpec',
    message: `${name} ${remedy === undefined ? 'is not valid' : 'cannot be used'}: ${length} error${length === 1 ? '' : 's'}`,
    ...defined({ remedy }),
  });
}
