// Bundles the workflows once, so that a worker starts without webpack. Usage: build-bundle.js [FILE]
const { mkdirSync, renameSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { bundleWorkflowCode } = require('@temporalio/worker');

const root = path.join(__dirname, '..');
const target = path.resolve(process.argv[2] ?? path.join(root, 'lib', 'workflow-bundle.js'));

// What computes with time zones may answer differently after an update, and a replay would break.
const FORBIDDEN = ['luxon', 'croner'];

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
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(root, 'lib/workflows/index.js'),
    payloadConverterPath: path.join(root, 'lib/workflows/sandbox/payload-converter.js'),
    failureConverterPath: path.join(root, 'lib/workflows/sandbox/failure-converter.js'),
    workflowInterceptorModules: ['reserved-names', 'protocol'].map((name) =>
      path.join(root, `lib/workflows/sandbox/${name}.js`),
    ),
    logger,
  });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  const found = FORBIDDEN.filter((name) => code.includes(`node_modules/${name}/`));
  if (found.length > 0) throw new Error(`the workflows import ${found.join(' and ')}, directly or through domain/`);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(`${target}.tmp`, code);
  renameSync(`${target}.tmp`, target);
}

main().catch((error) => {
  console.error(`error: the workflow bundle was not built: ${error.message}`);
  process.exitCode = 1;
});
