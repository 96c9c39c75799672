/**
 * Writes docs/errors.md: every message of an error that users see, by its type, from the places in src/ that make them.
 * `--check` fails when the page is not what the sources say.
 */
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseSync } = require('@swc/core');

const ROOT = path.join(__dirname, '..');
const PAGE = path.join(ROOT, 'docs/errors.md');
const BEGIN = '<!-- errors: begin -->';
const END = '<!-- errors: end -->';

function types() {
  const text = readFileSync(path.join(ROOT, 'src/domain/shared/errors.ts'), 'utf8');
  const list = /ERROR_TYPES = \[(.*?)\] as const/s.exec(text)?.[1] ?? '';
  return [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name);
}

/** What stands for a value in a message: the kind of thing where its name says it. */
const PLACEHOLDERS = {
  target: 'NODE',
  'node.name': 'NODE',
  name: 'NAME',
  'target.name': 'NODE',
  'target.node': 'NODE',
  'target.user': 'USER',
  shellUser: 'USER',
  cluster: 'CLUSTER',
  'spec.name': 'CLUSTER',
  node: 'NODE',
  group: 'GROUP',
  nodeGroup: 'GROUP',
  taskQueue: 'QUEUE',
  user: 'USER',
  file: 'FILE',
  path: 'FILE',
  rule: 'RULE',
  address: 'ADDRESS',
  host: 'HOST',
  run: 'N',
  number: 'N',
};

/** Functions whose result is another form of what they are given. */
const NAMING = ['plainText', 'describeMachine', 'shellUserName', 'show', 'quoted'];

/** The dotted name of an expression, without `this.` and `input.`. */
function nameOf(expression) {
  switch (expression?.type) {
    case 'Identifier':
      return expression.value;
    case 'MemberExpression': {
      if (expression.property.type !== 'Identifier') return '';
      const object = nameOf(expression.object);
      const last = object.split('.').at(-1) ?? '';
      return /^(this|input|session|)$/.test(last) ? expression.property.value : `${last}.${expression.property.value}`;
    }
    case 'ThisExpression':
      return 'this';
    case 'CallExpression':
      return NAMING.includes(nameOf(expression.callee)) ? nameOf(expression.arguments[0]?.expression) : '';
    case 'ParenthesisExpression':
      return nameOf(expression.expression);
    case 'TsNonNullExpression':
    case 'TsAsExpression':
      return nameOf(expression.expression);
    default:
      return '';
  }
}

/** The texts that an expression can have, with placeholders; [] where nothing is known. */
function textsOf(expression, scope, depth = 0) {
  if (expression === undefined || depth > 6) return [];
  const inner = (one) => textsOf(one, scope, depth + 1);
  switch (expression.type) {
    case 'StringLiteral':
      return [expression.value];
    case 'ParenthesisExpression':
    case 'TsAsExpression':
      return inner(expression.expression);
    case 'ConditionalExpression':
      return [...inner(expression.consequent), ...inner(expression.alternate)];
    case 'BinaryExpression': {
      if (expression.operator === '??' || expression.operator === '||')
        return [...inner(expression.left), ...inner(expression.right)];
      return [];
    }
    case 'Identifier': {
      const known = scope.get(expression.value);
      return known === undefined ? [] : inner(known);
    }
    case 'CallExpression':
      // plainText(text, length) and the like.
      return nameOf(expression.callee) === 'plainText' ? inner(expression.arguments[0]?.expression) : [];
    case 'TemplateLiteral': {
      let texts = [''];
      for (const [at, { cooked }] of expression.quasis.entries()) {
        texts = texts.map((text) => text + cooked);
        const value = expression.expressions[at];
        if (value === undefined) continue;
        const name = nameOf(value);
        const known =
          name === '' || name.includes('.')
            ? undefined
            : PLACEHOLDERS[name] === undefined
              ? scope.get(name)
              : undefined;
        const constant =
          known !== undefined && ['StringLiteral', 'TemplateLiteral', 'NumericLiteral'].includes(known.type)
            ? known
            : value;
        const choices =
          constant.type === 'NumericLiteral'
            ? [String(constant.value)]
            : PLACEHOLDERS[name] !== undefined
              ? [PLACEHOLDERS[name]]
              : ['StringLiteral', 'TemplateLiteral'].includes(constant.type)
                ? inner(constant)
                : ['…'];
        texts = texts.flatMap((text) => choices.map((choice) => text + choice));
      }
      return texts;
    }
    default:
      return [];
  }
}

/** All errors of one source: `{type, message, remedy}`. */
function errorsOf(file, known) {
  const found = [];
  const text = readFileSync(file, 'utf8');
  // Parsing is what takes long.
  if (!new RegExp(`type: '(${[...known].join('|')})'`).test(text)) return [];
  const ast = parseSync(text, { syntax: 'typescript', target: 'es2022' });
  const visit = (node, scope) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const one of node) visit(one, scope);
      return;
    }
    if (node.type === 'BlockStatement' || node.type === 'Module') {
      const own = new Map(scope);
      for (const statement of node.stmts ?? node.body) {
        const declaration = statement.type === 'ExportDeclaration' ? statement.declaration : statement;
        if (declaration.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue;
        for (const { id, init } of declaration.declarations) {
          if (id.type === 'Identifier' && init !== null) own.set(id.value, init);
        }
      }
      for (const value of Object.values(node)) visit(value, own);
      return;
    }
    if (node.type === 'ObjectExpression') {
      const fields = new Map();
      for (const property of node.properties) {
        if (property.type === 'KeyValueProperty' && property.key.type === 'Identifier')
          fields.set(property.key.value, property.value);
        // A shorthand.
        if (property.type === 'Identifier') fields.set(property.value, property);
      }
      let type = fields.get('type');
      if (type?.type === 'TsAsExpression') type = type.expression;
      const message = fields.get('message') ?? fields.get('what');
      if (type?.type === 'StringLiteral' && known.has(type.value) && message !== undefined) {
        const remedies = textsOf(fields.get('remedy'), scope);
        for (const text of textsOf(message, scope)) found.push({ type: type.value, message: text, remedies });
      }
    }
    for (const value of Object.values(node)) visit(value, scope);
  };
  visit(ast, new Map());
  return found;
}

/** Text of a message as Markdown. */
function markdown(text) {
  return text
    .replace(/\s+/g, ' ')
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replace(/[*<[\]\\]/g, '\\$&')))
    .join('');
}

function generate() {
  const known = new Set(types());
  const files = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
  );
  const all = files.sort().flatMap((name) => errorsOf(path.join(ROOT, 'src', name), known));
  const sections = [...known].map((type) => {
    const messages = new Map();
    for (const one of all) {
      if (one.type !== type) continue;
      const text = markdown(one.message);
      // What is all value says nothing.
      if (text.replace(/[…A-Z: ,;.-]/g, '').length < 8) continue;
      messages.set(text, [...new Set([...(messages.get(text) ?? []), ...one.remedies.map(markdown)])]);
    }
    const lines = [...messages]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([message, remedies]) =>
        [`- ${message}`, ...remedies.slice(0, 4).map((remedy) => `  - fix: ${remedy}`)].join('\n'),
      );
    const body = lines.length === 0 ? 'The message is that of the failure itself.' : lines.join('\n');
    return `## ${type}\n\nWhat it means: [${type}](troubleshooting.md#${type.toLowerCase()})\n\n${body}\n`;
  });
  return sections.join('\n');
}

function page(text) {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`docs/errors.md needs the lines ${BEGIN} and ${END}`);
  return `${before}${BEGIN}\n\n${generate()}\n${END}${after}`;
}

if (require.main === module) {
  const now = readFileSync(PAGE, 'utf8');
  const wanted = page(now);
  if (process.argv.includes('--check')) {
    if (now !== wanted) {
      console.error('docs/errors.md is not what the sources say');
      console.error('  fix: node scripts/generate-error-reference.js');
      process.exitCode = 1;
    }
  } else writeFileSync(PAGE, wanted);
}

module.exports = { errorTypes: types, errorPage: () => page(readFileSync(PAGE, 'utf8')) };
