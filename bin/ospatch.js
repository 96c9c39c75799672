#!/usr/bin/env node
'use strict';
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const entry = join(__dirname, '..', 'lib', 'cli', 'main.js');
if (existsSync(entry)) {
  require('./compile-cache').useCompileCache();
  void require(entry).main();
} else {
  process.stderr.write('error: ospatch is not built yet\n  fix: make build\n');
  process.exitCode = 1;
}
