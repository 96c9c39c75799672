// Bundles the workflows once, so that a worker starts without webpack. Usage: build-bundle.js [FILE]
const { mkdirSync, renameSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { bundleWorkflowCode } = require('@temporalio/worker');
const { modulesOf, unexpectedIn } = require('./bundle-contents');
const { bundleOptions } = require('./bundle-options');
const { WORKFLOW_INTERCEPTORS } = require('../lib/workflow-interceptors');

const root = path.join(__dirname, '..');
const FILE = 'workflow-bundle.js';
const target = path.resolve(process.argv[2] ?? path.join(root, 'lib', FILE));

/**
 * Replaces the source map, which is twice as large as the code and parsed by every worker: the SDK requires one, and
 * this one maps every line to itself. Stack traces then name functions and lines of the bundle, which is readable.
 */
function everyLineItself(code) {
  const lines = code.split('\n').length;
  const mappings = `AAAA${';AACA'.repeat(lines - 1)}`;
  const map = { version: 3, file: FILE, sources: [FILE], names: [], mappings };
  return `//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
}

async function main() {
  const warnings = [];
  const logger = {
    trace() {},
    debug() {},
    info() {},
    log() {},
    warn: (message) => warnings.push(message),
    error: (message) => warnings.push(message),
  };
  const sandbox = (name) => path.join(root, `lib/workflows/sandbox/${name}.js`);
  const options = bundleOptions(path.join(root, 'lib/workflows/index.js'), sandbox, WORKFLOW_INTERCEPTORS);
  const { code } = await bundleWorkflowCode({
    ...options,
    webpackConfigHook: (config) => ({ ...options.webpackConfigHook(config), devtool: false }),
    logger,
  });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  const unexpected = unexpectedIn(code);
  if (unexpected.length > 0) throw new Error(`the workflows import, directly or not, ${unexpected.join(', ')}`);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(`${target}.tmp`, `${code}\n${everyLineItself(code)}`);
  renameSync(`${target}.tmp`, target);
  console.log(`workflow bundle: ${modulesOf(code).length} modules, ${Math.round(code.length / 1024)} KiB`);
}

main().catch((error) => {
  console.error(`error: the workflow bundle was not built: ${error.message}`);
  process.exitCode = 1;
});
