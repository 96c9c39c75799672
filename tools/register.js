// Makes `require` compile the TypeScript files of tools/ and src/ on load, so that no build is needed.
// Usage: `node tools/run.js FILE`, or require this file first.
'use strict';
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { transformSync } = require('@swc/core');

const OPTIONS = {
  swcrc: false,
  jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

Module._extensions['.ts'] = (module, filename) => {
  module._compile(transformSync(readFileSync(filename, 'utf8'), { ...OPTIONS, filename }).code, filename);
};
// Lazy imports name the compiled file, as Node.js requires.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const own = request.startsWith('.') && request.endsWith('.js') && parent?.filename?.endsWith('.ts');
  return resolveFilename.call(this, own ? request.slice(0, -'.js'.length) : request, parent, ...rest);
};
process.setSourceMapsEnabled(true);
