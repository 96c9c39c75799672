'use strict';
/**
 * Writes schema/ospatch.schema.json and the field tables of docs/spec.md from the zod schema of the spec, and the same for the
 * policy of a worker: schema/ospatch-policy.schema.json and docs/policy.md.
 * Usage, after a build: node scripts/generate-schema.js [--check]
 * With --check nothing is written; the exit code is 1 when a file is stale.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '..');
const SCHEMA_FILE = join(ROOT, 'schema', 'ospatch.schema.json');
const DOCS_FILE = join(ROOT, 'docs', 'spec.md');
const POLICY_SCHEMA_FILE = join(ROOT, 'schema', 'ospatch-policy.schema.json');
const POLICY_DOCS_FILE = join(ROOT, 'docs', 'policy.md');
const TABLES = /(<!-- fields: begin -->\n)[\s\S]*?(<!-- fields: end -->)/;

/** The files and the text each must have, from a JSON Schema of the spec. */
function generatedFiles(schema) {
  return [
    { file: SCHEMA_FILE, text: `${JSON.stringify(schema, null, 2)}\n` },
    {
      file: DOCS_FILE,
      text: readFileSync(DOCS_FILE, 'utf8').replace(
        TABLES,
        (_, begin, end) => `${begin}\n${fieldTables(schema)}\n${end}`,
      ),
    },
  ];
}

/** The same for the policy. */
function policyFiles(schema) {
  const sections = [];
  collect('', schema, sections);
  const tables = sections.map(({ title, rows }) => `### ${title}\n\n${table(rows)}\n`).join('\n');
  return [
    { file: POLICY_SCHEMA_FILE, text: `${JSON.stringify(schema, null, 2)}\n` },
    {
      file: POLICY_DOCS_FILE,
      text: readFileSync(POLICY_DOCS_FILE, 'utf8').replace(TABLES, (_, begin, end) => `${begin}\n${tables}\n${end}`),
    },
  ];
}

/** One table per mapping of a self-managed spec, in the order of the schema. */
function fieldTables(schema) {
  const [selfManaged, eks] = schema.anyOf;
  const sections = [];
  collect('', selfManaged, sections);
  collect('eks', eks.properties.eks, sections);
  return sections.map(({ title, rows }) => `### ${title}\n\n${table(rows)}\n`).join('\n');
}

/** `form` tells which of several forms of the mapping at `path` this is. */
function collect(path, schema, sections, form = '') {
  const rows = [];
  const inner = [];
  for (const [key, field] of Object.entries(schema.properties)) {
    rows.push([`\`${key}\``, valueWords(field), defaultWords(schema, key, field), field.description ?? '']);
    const name = path === '' ? key : `${path}.${key}`;
    if (field.type === 'object' && field.properties !== undefined) inner.push([name, field]);
    if (field.type === 'array' && field.items.properties !== undefined) inner.push([`${name}[]`, field.items]);
    for (const one of field.anyOf ?? []) {
      const which = one.required === undefined ? '' : `, with ${one.required[0]}`;
      if (one.properties !== undefined) inner.push([name, one, which]);
    }
    const forms = field.items?.anyOf ?? [];
    if (forms.every(({ properties }) => properties !== undefined)) {
      inner.push(...forms.map((one) => [`${name}[]`, one, `, with ${one.required[0]}`]));
    }
  }
  sections.push({ title: path === '' ? 'The document' : `\`${path}\`${form}`, rows });
  for (const [name, field, which] of inner) collect(name, field, sections, which);
}

function valueWords(field) {
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(', ');
  const [first, second] = field.anyOf ?? [];
  if (field.anyOf?.length === 2 && first.type === 'string') return `${valueWords(first)}, or ${valueWords(second)}`;
  if (field.anyOf?.[0].type === 'integer') return amountWords(field.anyOf[0], ', or ');
  if (field.anyOf?.[0].anyOf !== undefined) return `${amountWords(field.anyOf[0].anyOf[0], ', ')}, or mapping`;
  if (field.anyOf !== undefined) return 'name of a preset, or mapping';
  if (field.type === 'integer') return `${field.minimum} to ${field.maximum}`;
  if (field.type === 'object') return 'mapping';
  if (field.type === 'array') return 'list';
  return field.type === 'boolean' ? '`true`, `false`' : 'text';
}

/** A number or a share. */
function amountWords({ minimum, maximum }, or) {
  return `${minimum} to ${maximum}${or}\`"${minimum}%"\` to \`"100%"\``;
}

function defaultWords(schema, key, field) {
  if (field.default !== undefined && typeof field.default !== 'object') return `\`${field.default}\``;
  return schema.required?.includes(key) === true ? 'required' : '';
}

function table(rows) {
  const lines = [['key', 'value', 'default', 'meaning'], ['---', '---', '---', '---'], ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}

function main() {
  const { specJsonSchema } = require('../lib/domain/spec/json-schema');
  const { policyJsonSchema } = require('../lib/domain/policy/parse');
  const isCheck = process.argv.includes('--check');
  for (const { file, text } of [...generatedFiles(specJsonSchema()), ...policyFiles(policyJsonSchema())]) {
    if (readFileOr(file, '') === text) continue;
    if (isCheck) {
      process.stderr.write(`error: ${file} is stale\n  fix: node scripts/generate-schema.js\n`);
      process.exitCode = 1;
    } else writeFileSync(file, text);
  }
}

function readFileOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

if (require.main === module) main();
module.exports = { generatedFiles, policyFiles };
