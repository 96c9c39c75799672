#!/usr/bin/env node
// `ospatch` for the commands of the pages: as a reader uses it, who answers questions with yes, ends what follows something
// with Ctrl-C once there is something to see, and leaves servers running in another terminal.
'use strict';
const { spawn } = require('node:child_process');
const { appendFileSync, openSync, readFileSync } = require('node:fs');
const path = require('node:path');

const PROGRAM = path.join(__dirname, '../../../bin/ospatch.js');
const args = process.argv.slice(2);
const has = (...flags) => flags.some((flag) => args.includes(flag));

const ASKS = ['recover', 'remove', 'enroll'];
const SERVERS = {
  worker: /polls|started|running/i,
  dev: /localhost:|127\.0\.0\.1:/,
  'codec-server': /http/,
  exporter: /http|listen/i,
};
const READY_WITHIN_MS = 60_000;

if (ASKS.includes(args[0]) && !has('--yes', '--expect', '--dry-run')) args.push('--yes');

if (args[0] in SERVERS) runServer(SERVERS[args[0]]);
else if (has('--watch', '-w', '--follow')) runUntilSeen();
else spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' }).on('close', (code) => process.exit(code ?? 1));

/** Waits until it says that it serves; the test ends it after the block. */
function runServer(ready) {
  const file = path.join(process.env.DOCS_DIR, `${args[0]}-${process.pid}.log`);
  const log = openSync(file, 'a');
  const child = spawn(process.execPath, [PROGRAM, ...args], { detached: true, stdio: ['ignore', log, log] });
  appendFileSync(path.join(process.env.DOCS_DIR, 'servers'), `${child.pid}\n`);
  const from = Date.now();
  const look = setInterval(() => {
    const text = readFileSync(file, 'utf8');
    const ended = child.exitCode !== null;
    if (!ended && !ready.test(text) && Date.now() - from < READY_WITHIN_MS) return;
    clearInterval(look);
    process.stdout.write(text);
    child.unref();
    process.exit(!ended && ready.test(text) ? 0 : (child.exitCode ?? 1) || 1);
  }, 100);
}

/** Ctrl-C after the first output; an end before that counts as it is. */
function runUntilSeen() {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGINT'), 500));
  child.stdout.pipe(process.stdout);
  child.on('close', (code) => process.exit(code === 130 ? 0 : (code ?? 1)));
}
