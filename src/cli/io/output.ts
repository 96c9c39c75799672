import pc from 'picocolors';
import type { CliContext } from './context';

export { documentOption, outputOption } from './output-format';
export type { OutputFormat } from './output-format';

/** Prints lines to standard output. */
export function print(context: CliContext, text: string): void {
  context.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Prints lines to standard error: progress, warnings, everything except the result. */
export function printNote(context: CliContext, text: string): void {
  context.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Prints data in the form that `-o` names: JSON, or one that is derived from it. */
export function printJson(context: CliContext, value: unknown): void {
  const text = context.format === undefined ? JSON.stringify(value, null, 2) : context.format(value);
  if (text !== '') print(context, text);
}

/** Prints one of several documents: a line each as JSON. */
export function printJsonLine(context: CliContext, value: unknown): void {
  const { format = JSON.stringify, separator = '' } = context;
  print(context, `${separator}${format(value)}`);
}

export interface Colors extends ReturnType<typeof pc.createColors> {
  /** Width of the terminal; undefined when lines are not limited. */
  columns?: number | undefined;
}

/** Colours of one of the two streams, only on a terminal without NO_COLOR, and the width of the terminal. */
export function colors(context: CliContext, stream: 'stdout' | 'stderr' = 'stdout'): Colors {
  const isTerminal = stream === 'stdout' ? context.isTTY : context.isErrorTTY;
  const refused = (context.env['NO_COLOR'] ?? '') !== '' || context.env['TERM'] === 'dumb';
  return {
    ...pc.createColors(isTerminal && !refused),
    columns: isTerminal && context.isWide !== true ? columnsOf(context, stream) : undefined,
  };
}

function columnsOf(context: CliContext, stream: 'stdout' | 'stderr'): number | undefined {
  const asked = context.env['COLUMNS'] ?? '';
  const columns: unknown = /^[1-9]\d{0,4}$/.test(asked) ? Number(asked) : Reflect.get(context[stream], 'columns');
  return typeof columns === 'number' && columns > 0 ? columns : undefined;
}
