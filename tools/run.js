// Runs a program of tools/. Usage: node tools/run.js FILE [ARGUMENT ...], with FILE relative to tools/, without ".ts".
'use strict';
const path = require('node:path');
require('./register');

const file = require.resolve(path.join(__dirname, process.argv[2] ?? ''));
process.argv.splice(1, 2, file);
require(file);
