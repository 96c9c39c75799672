// One node, the product and bare ssh side by side: what a node patch costs beyond the same apt commands over a fresh
// connection. Usage: node tools/bench/one-node.js [--suite SUITE] [--rounds N] [--updates N] [--user root|ospatch]
//   [--json FILE]
//
// Every round is one patch of each kind, in turn, so that a busy machine or a slow mirror slows both. Each logs in anew;
// the worker is warm. Of the product counts the workflow, from its start to its end, as the Temporal server has noted it.
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { parseArgs } = require('node:util');
const { Client, Connection } = require('@temporalio/client');
const { DEFAULT_PACKAGE_POLICY } = require('../../lib/domain/package-policy');
const { createLab } = require('../../lib/dev/lab/lab');
const { startTemporalServer } = require('../../lib/dev/temporal-server');
const { startWorkerProcess } = require('../../lib/dev/worker-process');
const { TASK_QUEUE } = require('../../lib/domain/ids');

const BARE =
  'export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get -y -o Dpkg::Options::=--force-confold dist-upgrade';

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'bookworm' },
    rounds: { type: 'string', default: '10' },
    updates: { type: 'string', default: '0' },
    user: { type: 'string', default: 'root' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const updates = Number(values.updates);

/** A small package as most are: files, and a script that does nothing. */
function labPackage(index, version) {
  const files = {};
  for (let n = 0; n < 20; n += 1) files[`/usr/share/lab-bench-${index}/${n}`] = `${version} ${n}\n`.repeat(100);
  return { name: `lab-bench-${index}`, version, files, postinst: 'true' };
}

const packagesOf = (version) => Array.from({ length: updates }, (_, index) => labPackage(index + 1, version));

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

async function main() {
  const labUpdates = packagesOf('1.0').map((from) => ({ from, to: from }));
  const lab = await createLab({
    nodes: [{ name: 'bench', suite: values.suite, updates: 'none', archive: true, labUpdates }],
    log: (line) => console.error(line),
  });
  const node = lab.node('bench');
  const server = await startTemporalServer({ headless: true });
  const worker = await startWorkerProcess({ address: server.address, keyDir: lab.keyDir });
  const connection = await Connection.connect({ address: server.address });
  const client = new Client({ connection });
  let logins = 0;

  const bare = async () => {
    const command = values.user === 'root' ? BARE : `sudo -n sh -c '${BARE}'`;
    const { code, stderr, stdout } = await node.exec(command, values.user);
    if (code !== 0) throw new Error(`bare apt has failed:\n${stdout}${stderr}`);
    const upgraded = Number(/^(\d+) upgraded/m.exec(stdout)?.[1] ?? -1);
    if (upgraded !== updates) throw new Error(`bare apt has upgraded ${upgraded} packages instead of ${updates}`);
    return {};
  };

  const product = async () => {
    logins += 1;
    const handle = await client.workflow.start('patchNode', {
      taskQueue: TASK_QUEUE,
      workflowId: `bench/${logins}`,
      args: [
        {
          cluster: 'bench',
          run: logins,
          trigger: 'manual',
          node: {
            name: 'bench',
            host: node.host,
            role: 'worker',
            ssh: { user: values.user, port: node.port, identity: lab.keyName, helper: 'auto', transport: 'builtin' },
            // Another list of keys is another connection.
            hostKeys: Array(logins).fill(node.hostKey),
          },
          policy: {
            rebootIfRequired: false,
            withoutDrain: true,
            prefetch: true,
            onFailure: 'stop',
            unreachableTimeoutMs: 60_000,
            packages: DEFAULT_PACKAGE_POLICY,
          },
        },
      ],
    });
    const result = await handle.result();
    const expected = updates === 0 ? 'up-to-date' : 'patched';
    if (result.outcome !== expected) throw new Error(`the node patch has ended ${JSON.stringify(result, null, 2)}`);
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
    return { workflow: (closeTime.getTime() - startTime.getTime()) / 1000, steps };
  };

  const rows = { bare: [], product: [] };
  let version = 0;
  try {
    // The first of each brings the helper, starts what sleeps and fills caches.
    for (let round = 0; round <= rounds; round += 1) {
      const kinds = round % 2 === 0 ? ['bare', 'product'] : ['product', 'bare'];
      for (const kind of kinds) {
        version += 1;
        for (const pkg of packagesOf(`1.${version}`)) await node.offer(pkg);
        const row = await measured(node, kind === 'bare' ? bare : product);
        if (round === 0) continue;
        rows[kind].push(row);
        console.error(
          `round ${round} ${kind}: ${(row.workflow ?? row.wall).toFixed(2)} s, ${row.cpu?.toFixed(2) ?? '?'} s of processor`,
        );
      }
    }
  } finally {
    await connection.close();
    await worker.stop();
    await Promise.all([server.stop(), lab.stop()]);
  }

  const stepNames = [...new Set(rows.product.flatMap(({ steps }) => Object.keys(steps)))];
  const medians = {
    bare: median(rows.bare.map(({ wall }) => wall)),
    workflow: median(rows.product.map(({ workflow }) => workflow)),
    steps: Object.fromEntries(
      stepNames.map((name) => [name, median(rows.product.map(({ steps }) => steps[name] ?? 0))]),
    ),
    bareProcessor: median(rows.bare.map(({ cpu }) => cpu)),
    productProcessor: median(rows.product.map(({ cpu }) => cpu)),
  };
  // Of the two of one round, which met the same load.
  const ratio = median(rows.product.map(({ workflow }, index) => workflow / rows.bare[index].wall));
  const report = { ...values, rounds, updates, medians, ratio, rows };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const seconds = (value) => (value === null ? '-' : value.toFixed(2)).padStart(8);
  console.log(
    `${values.suite}, ${updates} updates, ${rounds} rounds, medians in seconds       time  processor of the node`,
  );
  console.log(
    `  bare ssh and apt                                    ${seconds(medians.bare)} ${seconds(medians.bareProcessor)}`,
  );
  console.log(
    `  node patch, workflow start to end                   ${seconds(medians.workflow)} ${seconds(medians.productProcessor)}`,
  );
  for (const name of stepNames) console.log(`    of that ${name.padEnd(42)}  ${seconds(medians.steps[name])}`);
  console.log(
    `  ratio ${(medians.workflow / medians.bare).toFixed(2)}, median of the rounds' ratios ${ratio.toFixed(2)} (to hold: 1.1)`,
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
