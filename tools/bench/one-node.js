// One node, the product and what people do without it side by side: bare ssh and apt, a careful script, and Ansible.
// Usage: node tools/bench/one-node.js [--suite SUITE] [--rounds N] [--updates N] [--packages tiny|real]
//   [--user root|ospatch] [--without-ansible] [--json FILE]
//
// Every round is one patch of each kind, in turn, so that a busy machine or a slow mirror slows all. Each logs in anew;
// the worker is warm. Of a node patch counts the workflow, from its start to its end, as the Temporal server has noted it;
// of the others the whole command, from its start to its exit code.
'use strict';
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Client, Connection } = require('@temporalio/client');
require('../register');
const { DEFAULT_PACKAGE_POLICY } = require('../../src/domain/spec/package-policy');
const { environmentFor, runProgram } = require('../../src/dev/host');
const { createLab } = require('../lab/lab');
const { closeLogins } = require('./logins');
const { findAnsible } = require('./ansible');
const { createUpdates } = require('./updates');
const { startTemporalServer } = require('../../src/dev/temporal-server');
const { startWorkerProcess } = require('../worker-process');
const { TASK_QUEUE, nodeWorkflowId } = require('../../src/contract/workflow-ids');

/** What somebody types who wants no more than the updates. */
const BARE =
  'export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade';

/**
 * What a careful script does, which promises the same as a node patch: lists without gaps or nothing, the set of changes
 * on record before anything changes, no removals, configuration files kept; then whether all is installed, which units
 * have failed, whether a reboot is required, and which processes still run replaced code.
 */
const CAREFUL = `export DEBIAN_FRONTEND=noninteractive
apt-get update -o APT::Update::Error-Mode=any &&
  apt-get -s --no-remove dist-upgrade &&
  apt-get -y --no-remove -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold dist-upgrade || exit
dpkg --audit
systemctl --failed --plain --no-legend
cat /run/reboot-required /run/reboot-required.pkgs 2>/dev/null
if command -v needrestart >/dev/null; then needrestart -b -r l; else grep -ls "(deleted)" /proc/[0-9]*/maps; fi
true`;

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rounds: { type: 'string', default: '15' },
    updates: { type: 'string', default: '0' },
    packages: { type: 'string', default: 'tiny' },
    user: { type: 'string', default: 'root' },
    'without-ansible': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const updates = Number(values.updates);

const PROGRAM = path.join(__dirname, '../../bin/ospatch.js');

/** Of the cluster that the command patches; node patches that are started without one have another. */
const CLUSTER = 'bench';

const TITLES = {
  bare: 'bare ssh and apt',
  careful: 'a careful script over ssh',
  product: 'node patch, workflow start to end',
  command: 'ospatch patch --wait, the whole command',
  ansible: 'ansible-playbook with the apt module, the whole command',
};

/** What is to hold, as a share of another kind. */
const LIMITS = [
  ['product', 'bare', '1.1'],
  ['product', 'careful', null],
  ['command', 'bare', updates === 0 ? null : '1.1'],
  ['command', 'ansible', '1'],
];

/** Seconds of processor time that the node has used since it booted; null where its control group does not tell. */
function processorTime(node) {
  const lines = readFileSync(`/proc/${node.initPid}/cgroup`, 'utf8').split('\n');
  const groups = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((match) => match !== null);
  const up = (group) => group.replace(/\/init\.scope$/, '');
  for (const [, controllers, group] of groups) {
    try {
      if (controllers.split(',').includes('cpuacct')) {
        return Number(readFileSync(`/sys/fs/cgroup/cpuacct${up(group)}/cpuacct.usage`, 'utf8')) / 1e9;
      }
      if (controllers === '') {
        const text = readFileSync(`/sys/fs/cgroup${up(group)}/cpu.stat`, 'utf8');
        return Number(/^usage_usec (\d+)$/m.exec(text)?.[1]) / 1e6;
      }
    } catch {
      // The next hierarchy may have it.
    }
  }
  return null;
}

/** Runs `work` and says how long it took, and how much of the node's processor. */
async function measured(node, work) {
  const cpu = processorTime(node);
  const started = performance.now();
  const more = await work();
  const wall = (performance.now() - started) / 1000;
  const used = processorTime(node);
  return { wall, cpu: cpu === null || used === null ? null : used - cpu, ...more };
}

function median(numbers) {
  const sorted = numbers.filter((number) => number !== null && number !== undefined).toSorted((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Everything a round needs; `stop` ends it all. */
async function setUp(packages) {
  const lab = await createLab({
    nodes: [{ name: 'bench', suite: values.suite, updates: 'none', archive: true, labUpdates: packages.installed }],
    log: (line) => console.error(line),
  });
  const node = lab.node('bench');
  const server = await startTemporalServer({ headless: true });
  const worker = await startWorkerProcess({ address: server.address, keyDir: lab.keyDir });
  const connection = await Connection.connect({ address: server.address });
  const stop = async () => {
    await connection.close();
    await worker.stop();
    await Promise.all([server.stop(), lab.stop()]);
  };
  return { lab, node, server, client: new Client({ connection }), stop };
}

function byHand(node, script) {
  const command = values.user === 'root' ? script : `sudo -n sh -c '${script}'`;
  return async () => {
    const { code, stderr, stdout } = await node.exec(command, values.user);
    if (code !== 0) throw new Error(`bare apt has failed:\n${stdout}${stderr}`);
    return {};
  };
}

/** A node patch as a run would start it, without a cluster and a run. */
function nodePatch({ lab, node, client }) {
  let runs = 0;
  const cluster = 'alone';
  const ssh = { user: values.user, port: node.port, identity: lab.keyName, helper: 'auto', transport: 'builtin' };
  const target = { name: 'bench', host: node.host, role: 'worker', ssh, hostKeys: [node.hostKey] };
  const policy = {
    rebootIfRequired: false,
    withoutDrain: true,
    prefetch: true,
    onFailure: 'stop',
    unreachableTimeoutMs: 60_000,
    packages: DEFAULT_PACKAGE_POLICY,
  };
  return async () => {
    runs += 1;
    const startedAt = new Date().toISOString();
    const handle = await client.workflow.start('patchNode', {
      taskQueue: TASK_QUEUE,
      workflowId: nodeWorkflowId(cluster, 'bench'),
      args: [{ cluster, run: runs, trigger: 'on-demand', startedAt, node: target, policy }],
    });
    const result = await handle.result();
    const expected = updates === 0 ? 'up-to-date' : 'patched';
    if (result.outcome !== expected) throw new Error(`the node patch has ended ${JSON.stringify(result, null, 2)}`);
    return { handle };
  };
}

/** How long a node patch took by the clock of the Temporal server, and each of its activities, in seconds. */
async function timesOf(handle) {
  const { startTime, closeTime } = await handle.describe();
  const steps = {};
  const { events } = await handle.fetchHistory();
  const scheduled = new Map();
  for (const event of events) {
    const at = Number(event.eventTime.seconds) + event.eventTime.nanos / 1e9;
    const begun = event.activityTaskScheduledEventAttributes;
    if (begun) scheduled.set(String(event.eventId), { name: begun.activityType.name, at });
    const ended = event.activityTaskCompletedEventAttributes;
    if (!ended) continue;
    const { name, at: from } = scheduled.get(String(ended.scheduledEventId));
    steps[name] = (steps[name] ?? 0) + at - from;
  }
  return { startTime, closeTime, workflow: (closeTime.getTime() - startTime.getTime()) / 1000, steps };
}

/** The program as a person starts it, on a cluster that is there. */
async function commandOn({ lab, node, server, client }) {
  const dir = path.join(lab.dir, 'bench');
  mkdirSync(dir);
  const spec = {
    apiVersion: 'ospatch/v1',
    name: CLUSTER,
    type: 'self-managed',
    patching: { rebootIfRequired: false },
    ssh: { user: values.user, identity: lab.keyName },
    nodes: [{ name: 'bench', host: node.host, ssh: { port: node.port }, hostKeys: [node.hostKey] }],
  };
  writeFileSync(path.join(dir, 'spec.yaml'), JSON.stringify(spec));
  const env = environmentFor(server.address);
  const ospatch = async (...args) => {
    const { code, stdout, stderr } = await runProgram(process.execPath, [PROGRAM, ...args], { cwd: dir, env });
    if (code !== 0) throw new Error(`ospatch ${args.join(' ')} has failed:\n${stdout}${stderr}`);
  };
  await ospatch('apply', '-f', 'spec.yaml');
  return async () => {
    const startedAt = Date.now();
    await ospatch('patch', CLUSTER, '--wait');
    const endedAt = Date.now();
    return { handle: client.workflow.getHandle(nodeWorkflowId(CLUSTER, 'bench')), startedAt, endedAt };
  };
}

/** What each kind is done by; those that cannot be done here are absent, with a sentence on standard error. */
async function waysOf(bench) {
  const ways = {
    bare: byHand(bench.node, BARE),
    careful: byHand(bench.node, CAREFUL),
    product: nodePatch(bench),
    command: await commandOn(bench),
  };
  if (values['without-ansible']) return { ways, ansible: null };
  const { version, missing, prepare } = await findAnsible();
  if (version === null) console.error(missing);
  else ways.ansible = await prepare(bench.lab, [bench.node], values.user);
  return { ways, ansible: version };
}

/** One patch of the node, and what is known of it. */
async function patchOnce(node, kind, way) {
  await closeLogins(node);
  const { handle, startedAt, endedAt, ...row } = await measured(node, way);
  if (handle === undefined) return { ...row, time: row.wall };
  const { startTime, closeTime, workflow, steps } = await timesOf(handle);
  if (kind === 'product') return { ...row, time: workflow, steps };
  const parts = {
    'before the node patch': (startTime.getTime() - startedAt) / 1000,
    'node patch': workflow,
    'after the node patch': (endedAt - closeTime.getTime()) / 1000,
  };
  return { ...row, time: row.wall, steps: parts };
}

async function main() {
  const packages = createUpdates(values.packages, updates);
  const bench = await setUp(packages);
  const { node } = bench;
  try {
    const { ways, ansible } = await waysOf(bench);
    const kinds = Object.keys(ways);
    const rows = Object.fromEntries(kinds.map((kind) => [kind, []]));
    let version = 0;
    // The first of each brings the helper, starts what sleeps and fills caches.
    for (let round = 0; round <= rounds; round += 1) {
      // Each is the first, the second and so on as often.
      const turn = round % kinds.length;
      for (const kind of [...kinds.slice(turn), ...kinds.slice(0, turn)]) {
        version += 1;
        if (updates > 0) await packages.offer(node, `1.${version}`);
        const row = await patchOnce(node, kind, ways[kind]);
        if (updates > 0) packages.check(node, `1.${version}`);
        if (round === 0) continue;
        rows[kind].push(row);
        const cpu = row.cpu?.toFixed(2) ?? '?';
        console.error(`round ${round} ${kind}: ${row.time.toFixed(2)} s, ${cpu} s of processor`);
      }
    }
    report(rows, ansible);
  } finally {
    await bench.stop();
  }
}

/** Of two of one round, which met the same load. */
function ratio(rows, kind, to) {
  const of = (what) =>
    median(rows[kind].map((row, round) => (row[what] === null ? null : row[what] / rows[to][round][what])));
  return { time: of('time'), cpu: of('cpu') };
}

function report(rows, ansible) {
  const kinds = Object.keys(rows);
  const medians = Object.fromEntries(
    kinds.map((kind) => {
      const names = [...new Set(rows[kind].flatMap(({ steps = {} }) => Object.keys(steps)))];
      const steps = Object.fromEntries(
        names.map((name) => [name, median(rows[kind].map((row) => row.steps[name] ?? 0))]),
      );
      const of = (what) => median(rows[kind].map((row) => row[what]));
      return [kind, { time: of('time'), cpu: of('cpu'), steps }];
    }),
  );
  const ratios = LIMITS.filter(([kind, to]) => rows[kind] !== undefined && rows[to] !== undefined).map(
    ([kind, to, limit]) => ({ kind, to, limit, ...ratio(rows, kind, to) }),
  );
  if (values.json !== undefined) {
    const all = { ...values, rounds, updates, ansible, medians, ratios, rows };
    writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
  }
  const number = (value) => (value === null ? '-' : value.toFixed(2)).padStart(8);
  const line = (title, { time, cpu }) => console.log(`${title.padEnd(68)}${number(time)} ${number(cpu ?? null)}`);
  const what = updates === 0 ? 'no updates' : `${updates} ${values.packages} updates`;
  console.log(
    `${`${values.suite}, ${what}, ${rounds} rounds, medians in s`.padEnd(68)}    time  processor of the node`,
  );
  for (const kind of kinds) {
    line(`  ${TITLES[kind]}${kind === 'ansible' ? ` (${ansible})` : ''}`, medians[kind]);
    for (const [name, time] of Object.entries(medians[kind].steps)) line(`    of that ${name}`, { time });
  }
  for (const { kind, to, limit, ...of } of ratios) {
    line(`  ${kind} to ${to}, median of the ratios${limit === null ? '' : ` (to hold: ${limit})`}`, of);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
