'use strict';
/**
 * Writes docs/schemas/COMMAND.json, the JSON Schema of what each command prints with `-o json`, from the types of what it hands
 * to `printJson`. Usage: node scripts/generate-output-schemas.js [--check]
 * With --check nothing is written; the exit code is 1 when a file is stale.
 */
const { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const COMMANDS = path.join(ROOT, 'src/cli/commands');
const SCHEMAS = path.join(ROOT, 'docs/schemas');

/** Functions of which the second argument is printed as one document. */
const PRINTERS = new Set(['printJson']);

/** Functions of which the second argument is one of the items that are printed. */
const ITEM_PRINTERS = new Set(['printJsonLine']);

/** Prints a JSON Schema itself. */
const WITHOUT_SCHEMA = new Set(['schema']);

/** Commands that print what another one prints, or share its file. */
const SHARED = {
  diff: 'apply',
  ...Object.fromEntries(
    ['skip', 'retry', 'set-concurrency', 'set-max-failures', 'extend-window', 'lock', 'unlock'].map((name) => [
      name,
      'steer',
    ]),
  ),
};

/** Name of the schema of a command. */
function schemaNameOf(command) {
  return SHARED[command] ?? command;
}

/** The schemas, by name. */
async function outputSchemas() {
  const { API } = await import('typescript/unstable/sync');
  const { SyntaxKind } = await import('typescript/unstable/ast');
  const api = new API({ cwd: ROOT });
  try {
    const config = path.join(ROOT, 'tsconfig.json');
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    const found = new Map();
    for (const file of readdirSync(COMMANDS, { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .sort((a, b) => a.localeCompare(b))) {
      const [command] = file.replace(/\.ts$/, '').split(path.sep);
      if (WITHOUT_SCHEMA.has(command)) continue;
      const source = project.program.getSourceFile(path.join(COMMANDS, file));
      for (const argument of printed(source, SyntaxKind)) found.set(command, [...(found.get(command) ?? []), argument]);
    }
    return new Map(
      [...found].map(([command, nodes]) => [command, new SchemaWriter(project.checker).write(command, nodes)]),
    );
  } finally {
    api.close();
  }
}

/** What is handed to the printers in a file. */
function printed(source, SyntaxKind) {
  const found = [];
  const visit = (node) => {
    if (node.kind === SyntaxKind.CallExpression && node.expression.kind === SyntaxKind.Identifier) {
      const name = node.expression.text;
      const [, value] = node.arguments;
      if (value !== undefined && PRINTERS.has(name)) found.push({ value, isItem: false });
      if (value !== undefined && ITEM_PRINTERS.has(name)) found.push({ value, isItem: true });
    }
    node.forEachChild(visit);
  };
  visit(source);
  return found;
}

class SchemaWriter {
  constructor(checker) {
    this.checker = checker;
    /** By name: the id of the type, and its schema. */
    this.definitions = new Map();
  }

  write(command, nodes) {
    const all = nodes.map(({ value, isItem }) => ({
      schema: this.schemaOf(this.checker.getTypeAtLocation(value)),
      isItem,
    }));
    const isEmptyList = ({ schema, isItem }) => !isItem && schema.maxItems === 0;
    const isWhole = (one) => !one.isItem && !(isEmptyList(one) && all.some(({ schema }) => schema.items !== undefined));
    const whole = distinct(all.filter(isWhole).map(({ schema }) => schema));
    const schemas = whole.length > 0 ? whole : distinct(all.map(({ schema }) => schema));
    const definitions = [...this.definitions].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: `ospatch ${command} -o json`,
      ...(schemas.length === 1 ? schemas[0] : { anyOf: schemas }),
      ...(definitions.length === 0
        ? {}
        : { $defs: Object.fromEntries(definitions.map(([name, { schema }]) => [name, schema])) }),
    };
  }

  schemaOf(type) {
    const name = this.nameOf(type);
    if (name === null) return this.inline(type);
    const known = this.definitions.get(name);
    if (known !== undefined && known.id !== type.id) return this.inline(type);
    if (known === undefined) {
      const entry = { id: type.id, schema: {} };
      this.definitions.set(name, entry);
      const documentation = (type.getAliasSymbol() ?? type.getSymbol())?.getDocumentationComment(this.checker) ?? '';
      entry.schema = { ...described(documentation), ...this.inline(type) };
    }
    return { $ref: `#/$defs/${name}` };
  }

  /** Of a type that has a name of its own; null: it is written where it is used. */
  nameOf(type) {
    if (type.isUnionType() && type.getTypes().every((one) => one.isLiteralType() || one.isIntrinsicType())) return null;
    const alias = type.getAliasSymbol();
    if (alias !== undefined) return type.getAliasTypeArguments().length === 0 ? alias.name : null;
    const symbol = type.isClassOrInterface() ? type.getSymbol() : undefined;
    return symbol === undefined || symbol.name.startsWith('__') || symbol.name === 'Array' ? null : symbol.name;
  }

  inline(type) {
    const { checker } = this;
    if (type.isStringLiteralType() || type.isNumberLiteralType()) return { const: type.value };
    if (type.isBooleanLiteralType()) return { const: type.value };
    if (type.isIntrinsicType()) return intrinsic(type.intrinsicName);
    if (type.isTemplateLiteralType()) return { type: 'string' };
    if (type.isUnionType()) return this.union(type.getTypes());
    if (checker.isTupleType(type)) {
      const items = checker.getTypeArguments(type).map((one) => this.schemaOf(one));
      return { type: 'array', prefixItems: items, items: false, minItems: items.length };
    }
    if (checker.isArrayLikeType(type)) {
      const [item] = checker.getTypeArguments(type);
      if (item.isIntrinsicType() && item.intrinsicName === 'never') return { type: 'array', maxItems: 0 };
      return { type: 'array', items: this.schemaOf(item) };
    }
    return this.object(type);
  }

  union(types) {
    // `undefined` is a field that is not there.
    const wanted = types.filter((one) => !(one.isIntrinsicType() && one.intrinsicName === 'undefined'));
    const literals = wanted.filter((one) => one.isStringLiteralType() || one.isNumberLiteralType());
    const isBoolean = wanted.filter((one) => one.isBooleanLiteralType()).length === 2;
    const others = wanted.filter((one) => !literals.includes(one) && !(isBoolean && one.isBooleanLiteralType()));
    const values = literals.map(({ value }) => value).sort();
    const schemas = [
      ...(values.length === 0 ? [] : [values.length === 1 ? { const: values[0] } : { enum: values }]),
      ...(isBoolean ? [{ type: 'boolean' }] : []),
      ...others.map((one) => this.schemaOf(one)),
    ];
    return anyOf(distinct(schemas));
  }

  object(type) {
    const { checker } = this;
    const [index] = checker.getIndexInfosOfType(type);
    const fields = checker.getPropertiesOfType(type);
    const properties = {};
    const required = [];
    for (const field of fields) {
      const valueType = checker.getTypeOfSymbol(field);
      properties[field.name] = {
        ...this.schemaOf(valueType),
        ...described(field.getDocumentationComment(checker)),
      };
      if ((field.flags & OPTIONAL) === 0 && !mayBeUndefined(valueType)) required.push(field.name);
    }
    return {
      type: 'object',
      ...(fields.length === 0 ? {} : { properties }),
      ...(required.length === 0 ? {} : { required }),
      ...(index === undefined ? {} : { additionalProperties: this.schemaOf(index.valueType) }),
    };
  }
}

/** `SymbolFlags.Optional`. */
const OPTIONAL = 1 << 24;

function mayBeUndefined(type) {
  const parts = type.isUnionType() ? type.getTypes() : [type];
  return parts.some((one) => one.isIntrinsicType() && ['undefined', 'void'].includes(one.intrinsicName));
}

function intrinsic(name) {
  if (['string', 'number', 'boolean', 'null'].includes(name)) return { type: name };
  if (['unknown', 'any'].includes(name)) return {};
  if (name === 'true' || name === 'false') return { const: name === 'true' };
  return name === 'object' ? { type: 'object' } : { not: {} };
}

function anyOf(schemas) {
  if (schemas.length === 1) return schemas[0];
  const [first, second] = schemas;
  // `string or null` and the like in one word.
  if (schemas.every((one) => Object.keys(one).length === 1 && typeof one.type === 'string')) {
    return { type: schemas.map(({ type }) => type) };
  }
  if (schemas.length === 2 && first.enum !== undefined && second.type === 'null')
    return { enum: [...first.enum, null] };
  return { anyOf: schemas };
}

function distinct(schemas) {
  return [...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values()];
}

function described(documentation) {
  return documentation === '' ? {} : { description: documentation.replace(/\s+/g, ' ').trim() };
}

async function main() {
  const isCheck = process.argv.includes('--check');
  const schemas = await outputSchemas();
  const wanted = new Map(
    [...schemas].map(([command, schema]) => [`${command}.json`, `${JSON.stringify(schema, null, 2)}\n`]),
  );
  mkdirSync(SCHEMAS, { recursive: true });
  const stale = [
    ...[...wanted].filter(
      ([name, text]) =>
        !existsSync(path.join(SCHEMAS, name)) || readFileSync(path.join(SCHEMAS, name), 'utf8') !== text,
    ),
    ...readdirSync(SCHEMAS)
      .filter((name) => !wanted.has(name))
      .map((name) => [name, null]),
  ];
  for (const [name, text] of stale) {
    const file = path.join(SCHEMAS, name);
    if (isCheck) {
      process.stderr.write(`error: ${file} is stale\n  fix: node scripts/generate-output-schemas.js\n`);
      process.exitCode = 1;
    } else if (text === null) rmSync(file);
    else writeFileSync(file, text);
  }
}

if (require.main === module) void main();
module.exports = { outputSchemas, schemaNameOf };
