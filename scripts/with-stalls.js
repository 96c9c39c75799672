// Runs a command and stalls its child processes one after the other for some seconds, as on an overloaded machine,
// which
// reveals timing assumptions of tests. Other processes are not affected.
//
//   node scripts/with-stalls.js [--most 5] [--seed 1] -- npx jest --selectProjects e2e
const { spawn } = require('node:child_process');
const { readFileSync, readdirSync } = require('node:fs');
const { parseArgs } = require('node:util');

const LEAST_STALL_MS = 300;
const MOST_PAUSE_MS = 2_000;

const { values, positionals } = parseArgs({
  options: { most: { type: 'string', default: '5' }, seed: { type: 'string', default: String(Date.now() % 100_000) } },
  allowPositionals: true,
});
const mostMs = Number(values.most) * 1000;
const [program, ...args] = positionals;
if (program === undefined || !(mostMs >= LEAST_STALL_MS) || !/^\d+$/.test(values.seed)) {
  console.error('usage: node scripts/with-stalls.js [--most SECONDS] [--seed NUMBER] -- COMMAND [ARGUMENT ...]');
  process.exit(2);
}

let state = Number(values.seed) + 1;
/** The same sequence for the same seed; which processes are hit depends on what runs. */
function random() {
  state = (state * 48_271) % 2_147_483_647;
  return state / 2_147_483_647;
}

function pick(list) {
  return list[Math.floor(random() * list.length)];
}

/** Kind, parent and id of all processes. */
function processes() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const [first = '', second = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return [{ pid: Number(pid), parent: Number(parent), kind: `${first} ${second}`.trim() }];
      } catch {
        return [];
      }
    });
}

/** The descendants of `root`. Kernel threads and ended processes have no kind. */
function descendants(root) {
  const all = processes();
  const found = [];
  for (const parents = [root]; parents.length > 0;) {
    const parent = parents.pop();
    for (const one of all) {
      if (one.parent !== parent) continue;
      parents.push(one.pid);
      if (one.kind !== '') found.push(one);
    }
  }
  return found;
}

const child = spawn(program, args, { stdio: 'inherit' });
let stalled = null;
let stalls = 0;

function goOn() {
  if (stalled === null) return;
  try {
    process.kill(stalled, 'SIGCONT');
  } catch {
    // The process has ended meanwhile.
  }
  stalled = null;
}

/** Returns the duration of the stall, in milliseconds. */
function stallOne() {
  const byKind = new Map();
  for (const one of descendants(child.pid)) byKind.set(one.kind, [...(byKind.get(one.kind) ?? []), one]);
  if (byKind.size === 0) return 0;
  const { pid, kind } = pick(pick([...byKind.values()]));
  const ms = Math.round(LEAST_STALL_MS + random() * (mostMs - LEAST_STALL_MS));
  try {
    process.kill(pid, 'SIGSTOP');
  } catch {
    return 0;
  }
  stalled = pid;
  stalls += 1;
  console.error(`[stall] ${new Date().toISOString()} ${pid} for ${ms} ms: ${kind.slice(0, 100)}`);
  return ms;
}

function next() {
  const ms = stallOne();
  setTimeout(() => {
    goOn();
    setTimeout(next, random() * MOST_PAUSE_MS).unref();
  }, ms).unref();
}

process.on('exit', goOn);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.once('error', (error) => {
  console.error(`error: ${program} cannot be run: ${error.message}`);
  process.exit(2);
});
child.once('exit', (code, signal) => {
  console.error(`[stall] seed ${values.seed}: ${stalls} processes stood still`);
  process.exit(code ?? (signal === null ? 1 : 130));
});
next();
