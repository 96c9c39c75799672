// Nodes with nothing to patch, all at the same time: a run of the product, the same command over as many parallel ssh, and
// Ansible with as many forks, in turn.
// Usage: node tools/bench/rollout.js [--nodes N] [--rounds N] [--user root|ospatch] [--without-ansible] [--json FILE]
//
// Of a run counts the workflow, from its start to its end as the Temporal server has noted it, and the whole command.
'use strict';
const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Client, Connection } = require('@temporalio/client');
require('../register');
const { environmentFor, runProgram } = require('../../src/dev/host');
const { createLab } = require('../lab/lab');
const { closeLogins } = require('./logins');
const { findAnsible } = require('./ansible');
const { startTemporalServer } = require('../../src/dev/temporal-server');
const { startWorkerProcess } = require('../worker-process');
const { clusterWorkflowId, runWorkflowId } = require('../../src/contract/workflow-ids');

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8' },
    rounds: { type: 'string', default: '5' },
    user: { type: 'string', default: 'root' },
    'without-ansible': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const names = Array.from({ length: Number(values.nodes) }, (_, at) => `w-${at + 1}`);

const PROGRAM = path.join(__dirname, '../../bin/ospatch.js');
const CLUSTER = 'bench';

const BARE =
  'export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade';

const TITLES = {
  bare: `${names.length} parallel ssh and apt`,
  run: 'run, workflow start to end',
  command: 'ospatch patch --wait, the whole command',
  ansible: `ansible-playbook with the apt module and ${names.length} forks, the whole command`,
};

/** What is to hold, as a share of another kind. */
const LIMITS = [
  ['run', 'bare', '1.1'],
  ['command', 'bare', null],
  ['command', 'ansible', '1'],
];

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function seconds(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

function byHand({ lab }) {
  const command = values.user === 'root' ? BARE : `sudo -n sh -c '${BARE}'`;
  return async () => {
    const ended = await Promise.all(lab.nodes.map((node) => node.exec(command, values.user)));
    const failed = ended.find(({ code }) => code !== 0);
    if (failed !== undefined) throw new Error(`apt has failed:\n${failed.stdout}${failed.stderr}`);
  };
}

/** Returns what patches the cluster once, and how long its last run workflow took. */
async function product({ lab, server, client }) {
  const dir = path.join(lab.dir, 'bench');
  mkdirSync(dir);
  const spec = {
    apiVersion: 'ospatch/v1',
    name: CLUSTER,
    type: 'self-managed',
    patching: { rebootIfRequired: false, rollout: { concurrency: names.length } },
    ssh: { user: values.user, identity: lab.keyName },
    nodes: lab.nodes.map(({ name, host, port, hostKey }) => ({ name, host, ssh: { port }, hostKeys: [hostKey] })),
  };
  writeFileSync(path.join(dir, 'spec.yaml'), JSON.stringify(spec));
  const env = environmentFor(server.address);
  const ospatch = async (...args) => {
    const { code, stdout, stderr } = await runProgram(process.execPath, [PROGRAM, ...args], { cwd: dir, env });
    if (code !== 0) throw new Error(`ospatch ${args.join(' ')} has failed:\n${stdout}${stderr}`);
  };
  await ospatch('apply', '-f', 'spec.yaml');
  return {
    patch: () => ospatch('patch', CLUSTER, '--wait'),
    lastRun: async () => {
      const { createdAt, lastRun } = await client.workflow.getHandle(clusterWorkflowId(CLUSTER)).query('status');
      if (lastRun.upToDate !== names.length) throw new Error(`the run has ended ${JSON.stringify(lastRun)}`);
      const handle = client.workflow.getHandle(runWorkflowId(CLUSTER, createdAt, lastRun.number));
      const { startTime, closeTime } = await handle.describe();
      return (closeTime.getTime() - startTime.getTime()) / 1000;
    },
  };
}

async function main() {
  const lab = await createLab({
    nodes: names.map((name) => ({ name, updates: 'none', archive: true })),
    log: (line) => console.error(line),
  });
  const server = await startTemporalServer({ headless: true });
  const worker = await startWorkerProcess({ address: server.address, keyDir: lab.keyDir });
  const connection = await Connection.connect({ address: server.address });
  try {
    const bench = { lab, server, client: new Client({ connection }) };
    const { patch, lastRun } = await product(bench);
    const ways = { bare: byHand(bench), command: patch };
    const ansible = values['without-ansible'] ? { version: null, missing: '' } : await findAnsible();
    if (ansible.version === null) console.error(ansible.missing);
    else ways.ansible = await ansible.prepare(lab, lab.nodes, values.user);
    const rows = [];
    const kinds = Object.keys(ways);
    // The first of each brings the helper, starts what sleeps and fills caches.
    for (let round = 0; round <= rounds; round += 1) {
      const row = {};
      const turn = round % kinds.length;
      for (const kind of [...kinds.slice(turn), ...kinds.slice(0, turn)]) {
        for (const node of lab.nodes) await closeLogins(node);
        row[kind] = await seconds(ways[kind]);
        if (kind === 'command') row.run = await lastRun();
      }
      const times = Object.entries(row).map(([kind, time]) => `${kind} ${time.toFixed(2)} s`);
      console.error(`round ${round}: ${times.join(', ')}`);
      if (round > 0) rows.push(row);
    }
    report(rows, ansible.version);
  } finally {
    await connection.close();
    await worker.stop();
    await Promise.all([server.stop(), lab.stop()]);
  }
}

function report(rows, ansible) {
  const line = (title, value) => console.log(`${title.padEnd(76)}${value.toFixed(2).padStart(8)}`);
  console.log(`bookworm, ${names.length} nodes, no updates, ${rounds} rounds, medians in s`);
  const has = (kind) => rows.every((row) => row[kind] !== undefined);
  for (const kind of Object.keys(TITLES).filter(has)) {
    line(`  ${TITLES[kind]}${kind === 'ansible' ? ` (${ansible})` : ''}`, median(rows.map((row) => row[kind])));
  }
  const ratios = LIMITS.filter(([kind, to]) => has(kind) && has(to)).map(([kind, to, limit]) => {
    // Of two of one round, which met the same load.
    const ratio = median(rows.map((row) => row[kind] / row[to]));
    line(`  ${kind} to ${to}, median of the ratios${limit === null ? '' : ` (to hold: ${limit})`}`, ratio);
    return { kind, to, limit, ratio };
  });
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ ...values, ansible, ratios, rows }, null, 2)}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
