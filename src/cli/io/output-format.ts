/** How `-o` prints data: decided here for every command. */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { CliContext } from './context';

/** What a command distinguishes: text for people, or data in a form that is chosen here. */
export type OutputFormat = 'text' | 'json';

const DATA_FORMATS = ['json', 'yaml', 'name', 'jsonpath=TEMPLATE'];
const FORMATS = ['text', 'wide', ...DATA_FORMATS];

/** `-o`, for every command that prints data. */
export function outputOption(): Option {
  return formatOption(FORMATS, 'text');
}

/** `-o` of a command whose text is a document in YAML. */
export function documentOption(): Option {
  return formatOption(DATA_FORMATS, 'yaml');
}

function formatOption(formats: readonly string[], standard: string): Option {
  return new Option('-o, --output <format>', 'how to print the result')
    .choices(formats)
    .default(standard)
    .argParser((text) => {
      if (/^jsonpath=./s.test(text) && text !== 'jsonpath=TEMPLATE') return text;
      if (formats.includes(text) && !text.startsWith('jsonpath=')) return text;
      throw new InvalidArgumentError(`Allowed choices are ${formats.join(', ')}.`);
    });
}

/**
 * Called before a command runs, which then sees its standard form or `json` only.
 *
 * @throws OspatchError `Usage` when the template of `jsonpath` is malformed
 */
export function chooseFormat(context: CliContext, command: Command): void | Promise<void> {
  const { output } = command.opts<{ output?: unknown }>();
  const standard: unknown = command.options.find((option) => option.attributeName() === 'output')?.defaultValue;
  if (typeof output !== 'string' || output === standard || standard === undefined) return undefined;
  if (output === 'wide') {
    context.isWide = true;
    command.setOptionValueWithSource('output', standard, 'cli');
    return undefined;
  }
  command.setOptionValueWithSource('output', 'json', 'cli');
  if (output === 'yaml') context.separator = '---\n';
  return formatterOf(output).then((format) => {
    if (format !== null) context.format = format;
  });
}

async function formatterOf(output: string): Promise<NonNullable<CliContext['format']> | null> {
  if (output === 'yaml') {
    const { stringify } = await import('yaml');
    return (value) => stringify(asInJson(value), { lineWidth: 0 });
  }
  if (output === 'name') return (value) => namesIn(value).join('\n');
  const [, template] = /^jsonpath=(.*)$/s.exec(output) ?? [];
  if (template === undefined) return null;
  const { jsonPath } = await import('./jsonpath.js');
  const evaluate = jsonPath(template);
  return (value) => evaluate(asInJson(value));
}

/** Times and absent fields as in JSON, whatever the format. */
function asInJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Lists in a document whose items have names. */
const LISTS = ['nodes', 'clusters', 'runs', 'groups', 'events'];
const NAMES = ['name', 'cluster', 'node', 'number', 'seq'];

/** Names of what a document lists, else of what it is about. */
function namesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(nameOf);
  if (typeof value !== 'object' || value === null) return [];
  const list = LISTS.map((key) => (value as Record<string, unknown>)[key]).find((one) => Array.isArray(one));
  return list === undefined ? nameOf(value) : (list as unknown[]).flatMap(nameOf);
}

function nameOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const found = NAMES.map((key) => (value as Record<string, unknown>)[key]).find(
    (one) => typeof one === 'string' || typeof one === 'number',
  );
  return found === undefined ? [] : [String(found)];
}
