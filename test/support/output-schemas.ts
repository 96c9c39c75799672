/** Holds every `-o json` that a test gets from a command against its JSON Schema, so that neither the command nor docs/schemas lies. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import type { ValidateFunction } from 'ajv/dist/2020';
import { schemaNameOf } from '../../scripts/generate-output-schemas';

const SCHEMAS = path.join(__dirname, '../../docs/schemas');

const compiled = new Map<string, ValidateFunction>();

/** Throws when `stdout` of a command line with `-o json` is a document that does not fit the schema of the command. */
export function checkOutput(args: readonly string[], stdout: string): void {
  if (!isJson(args) || stdout.trim() === '') return;
  const name = args.map(schemaNameOf).find((one) => /^[a-z-]+$/.test(one) && existsSync(fileOf(one)));
  if (name === undefined) return;
  const document = parse(stdout);
  if (document === undefined) return;
  const validate = validator(name);
  if (validate(document)) return;
  const found = (validate.errors ?? [])
    .slice(0, 10)
    .map(({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`);
  throw new Error(
    `\`ospatch ${args.join(' ')}\` does not fit docs/schemas/${name}.json (node scripts/generate-output-schemas.js writes it):\n${found.join('\n')}\n${stdout.slice(0, 2_000)}`,
  );
}

function isJson(args: readonly string[]): boolean {
  return args.some((arg, at) =>
    /^(-o|--output)=?$/.test(arg) ? args[at + 1] === 'json' : /^(-o|--output=)json$/.test(arg),
  );
}

function fileOf(name: string): string {
  return path.join(SCHEMAS, `${name}.json`);
}

/** Undefined: the output is no single document. */
function parse(stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}

function validator(name: string): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const schema = closed(JSON.parse(readFileSync(fileOf(name), 'utf8')) as object);
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(schema as object);
  compiled.set(name, validate);
  return validate;
}

/** A program has to accept fields of a newer release; a test has to notice a field that no schema names. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const schema: Record<string, unknown> = Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, closed(one)]),
  );
  const isObject = schema['type'] === 'object' && schema['properties'] !== undefined;
  return isObject && schema['additionalProperties'] === undefined ? { ...schema, additionalProperties: false } : schema;
}
