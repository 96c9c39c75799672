// What a fleet of sleeping clusters costs, with a real Temporal server, the real workflows and simulated nodes.
// Usage: node tools/bench/fleet.js [--clusters N] [--nodes N] [--parallel N] [--midnight N] [--json FILE]
//
// Ratios are against workflows that only sleep, started the same way in the same run.
'use strict';
const { fork } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Client, Connection, WithStartWorkflowOperation } = require('@temporalio/client');
const { bundleWorkflowCode } = require('@temporalio/worker');
const { ClusterClient } = require('../../lib/client/cluster-client');
const { TASK_QUEUE, clusterWorkflowId } = require('../../lib/contract/workflow-ids');
const { startTemporalServer } = require('../../lib/dev/temporal-server');
const { validateSpecObject } = require('../../lib/domain/spec/parse');

const { values } = parseArgs({
  options: {
    clusters: { type: 'string', default: '10000' },
    nodes: { type: 'string', default: '3' },
    parallel: { type: 'string', default: '64' },
    midnight: { type: 'string' },
    json: { type: 'string' },
  },
});
const clusters = Number(values.clusters);
const nodesPerCluster = Number(values.nodes);
const parallel = Number(values.parallel);
/** How many clusters are due in one minute. */
const midnight = Number(values.midnight ?? values.clusters);

const RUNNING = 100;
const SIGNALS = 20;
/** Between a node without updates, about 2 s, and one with updates and a reboot, some minutes. */
const NODE_MS = 10_000;
const STATUS_MS = 20_000;
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea';

const log = (line) => console.error(line);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function specOf(name, schedule) {
  const checked = validateSpecObject({
    apiVersion: 'ospatch/v1',
    name,
    type: 'self-managed',
    patching: { schedule, rebootIfRequired: false },
    nodes: Array.from({ length: nodesPerCluster }, (_, at) => ({
      name: `w-${at + 1}`,
      host: `${name}-w-${at + 1}.example`,
      ssh: { user: 'ospatch', identity: 'demo' },
      hostKeys: [HOST_KEY],
    })),
  });
  if (!checked.ok) throw new Error(checked.problems.join('\n'));
  return checked.spec;
}

/** Runs `work` for each item, `width` at a time. */
async function each(items, width, work) {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}

/** Resident memory of a process in MiB, and the processor time it has used in seconds. */
function usageOf(pid) {
  const rss = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return { rss, cpu: (Number(fields[11]) + Number(fields[12])) / 100 };
}

async function startWorker(address, bundle, taskQueue) {
  const child = fork(path.join(__dirname, 'fleet-worker.js'), [address, bundle, taskQueue], { stdio: 'inherit' });
  const worker = { child, preflights: [], outcomes: {}, settled: 0, usage: () => usageOf(child.pid) };
  child.on('message', ({ preflight, at, settled }) => {
    if (preflight !== undefined) worker.preflights.push({ cluster: preflight, at });
    if (settled === undefined) return;
    worker.settled += 1;
    worker.outcomes[settled] = (worker.outcomes[settled] ?? 0) + 1;
  });
  await Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error('no worker')))]);
  worker.stop = async () => {
    const ended = once(child, 'exit');
    child.send({ stop: true });
    await ended;
  };
  return worker;
}

/** Applies all, and says how many per second, and what the worker has spent on each. */
async function applied(worker, names, apply) {
  const before = worker.usage();
  const started = Date.now();
  let done = 0;
  await each(names, parallel, async (name) => {
    await apply(name);
    done += 1;
    if (done % 1000 === 0)
      log(`  ${done} after ${Date.now() - started} ms, worker at ${worker.usage().rss.toFixed(0)} MiB`);
  });
  const seconds = (Date.now() - started) / 1000;
  const after = worker.usage();
  return {
    count: names.length,
    perSecond: names.length / seconds,
    processorMsPerCluster: ((after.cpu - before.cpu) * 1000) / names.length,
    rssMiB: after.rss,
    kibPerCluster: ((after.rss - before.rss) * 1024) / names.length,
  };
}

/** Asks for the status of one cluster after the other, four at a time, until told to stop. */
function askStatus(client, names) {
  const times = [];
  let unanswered = 0;
  let ended = false;
  const asking = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!ended) {
        const name = names[Math.floor(Math.random() * names.length)];
        const started = performance.now();
        try {
          await client.status(name);
          times.push(performance.now() - started);
        } catch (error) {
          unanswered += 1;
          log(`  status of ${name}: ${error.message}`);
        }
      }
    }),
  );
  return async () => {
    ended = true;
    await asking;
    return { count: times.length, unanswered, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
  };
}

async function untilSettled(worker, count) {
  while (worker.settled < count) await sleep(50);
}

async function main() {
  const scratch = mkdtempSync(path.join(tmpdir(), 'ospatch-fleet-'));
  const server = await startTemporalServer({ headless: true });
  const report = { clusters, nodesPerCluster, parallel };
  let worker;
  let bare;
  try {
    const connection = await Connection.connect({ address: server.address });
    const plain = new Client({ connection });
    const client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });

    const bareBundle = path.join(scratch, 'bare.js');
    const silent = Object.fromEntries(
      ['trace', 'debug', 'info', 'log', 'warn', 'error'].map((level) => [level, () => {}]),
    );
    const { code } = await bundleWorkflowCode({ workflowsPath: require.resolve('./bare-workflow'), logger: silent });
    writeFileSync(bareBundle, code);
    bare = await startWorker(server.address, bareBundle, 'bare');
    log('workflows that only sleep');
    const bareNames = Array.from({ length: Math.min(1000, clusters) }, (_, at) => `bare/${at}`);
    report.bare = await applied(bare, bareNames, (workflowId) =>
      plain.workflow.executeUpdateWithStart('applySpec', {
        startWorkflowOperation: new WithStartWorkflowOperation('cluster', {
          workflowId,
          taskQueue: 'bare',
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    );
    await bare.stop();
    bare = undefined;

    worker = await startWorker(server.address, path.join(__dirname, '../../lib/workflow-bundle.js'), TASK_QUEUE);
    log(`${clusters} clusters of ${nodesPerCluster} nodes`);
    const names = Array.from({ length: clusters }, (_, at) => `c-${at}`);
    report.apply = await applied(worker, names, (name) => client.apply(specOf(name, 'weekly')));

    log('from a signal to the first activity on a node');
    const delays = [];
    for (let at = 0; at < SIGNALS; at += 1) {
      const name = names[(at * 17) % names.length];
      const settled = worker.settled;
      worker.preflights.length = 0;
      const sent = Date.now();
      await plain.workflow.getHandle(clusterWorkflowId(name)).signal('patchNow');
      while (worker.preflights.length === 0) await sleep(1);
      delays.push(worker.preflights[0].at - sent);
      await untilSettled(worker, settled + nodesPerCluster);
    }
    report.signal = { count: SIGNALS, p50Ms: quantile(delays, 0.5), p99Ms: quantile(delays, 0.99) };

    log(`status while ${RUNNING} clusters run`);
    worker.child.send({ nodeMs: NODE_MS });
    const settledBefore = worker.settled;
    const running = names.slice(0, RUNNING);
    await each(running, 10, (name) => client.patch(name));
    const stopAsking = askStatus(client, names);
    await Promise.race([sleep(STATUS_MS), untilSettled(worker, settledBefore + RUNNING * nodesPerCluster)]);
    report.status = { running: RUNNING, ...(await stopAsking()) };
    await untilSettled(worker, settledBefore + running.length * nodesPerCluster);
    worker.child.send({ nodeMs: 0 });

    if (midnight > 0) {
      const due = names.slice(0, midnight);
      const spare = (due.length / report.apply.perSecond) * 1.5 + 60;
      const at = Math.ceil((Date.now() / 1000 + spare) / 60) * 60_000;
      log(`${due.length} clusters due at ${new Date(at).toISOString()}`);
      const minute = new Date(at).toISOString().slice(0, 16);
      await applied(worker, due, (name) => client.apply(specOf(name, { once: minute })));
      if (Date.now() > at) throw new Error('the clusters were not applied before they were due');
      const before = { ...worker.outcomes };
      const settled = worker.settled;
      await sleep(at - Date.now());
      const stop = askStatus(client, names);
      await untilSettled(worker, settled + due.length * nodesPerCluster);
      const seconds = (Date.now() - at) / 1000;
      const status = await stop();
      const outcomes = Object.fromEntries(
        Object.entries(worker.outcomes).map(([outcome, count]) => [outcome, count - (before[outcome] ?? 0)]),
      );
      let idle = 0;
      let failed = 0;
      await each(due, 16, async (name) => {
        const { state, lastRun } = await client.status(name);
        if (state === 'idle') idle += 1;
        if (lastRun !== null && lastRun !== undefined && lastRun.outcome !== 'succeeded') failed += 1;
      });
      report.midnight = { due: due.length, seconds, perSecond: due.length / seconds, outcomes, idle, failed, status };
      report.midnight.rssMiB = worker.usage().rss;
    }
    await client.close();
    await connection.close();
  } finally {
    await worker?.stop();
    await bare?.stop();
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

function print({ bare, apply, signal, status, midnight: due }) {
  const line = (what, measured, hold) => console.log(`${what.padEnd(58)}${measured.padStart(16)}  ${hold}`);
  const ms = (value) => `${value.toFixed(0)} ms`;
  line('', 'measured', 'to hold');
  line('clusters applied per second', apply.perSecond.toFixed(0), '80 or more');
  line('  workflows that only sleep, started the same way', bare.perSecond.toFixed(0), '');
  line('  ratio', (apply.perSecond / bare.perSecond).toFixed(2), '');
  line('processor time of the worker per cluster applied', `${apply.processorMsPerCluster.toFixed(1)} ms`, '');
  line('  workflows that only sleep', `${bare.processorMsPerCluster.toFixed(1)} ms`, '');
  line(`memory of the worker after ${apply.count} clusters`, `${apply.rssMiB.toFixed(0)} MiB`, 'under 1 GiB');
  line('signal to first activity on a node, median', ms(signal.p50Ms), 'under 100 ms');
  line(`status while ${status.running} clusters run, ${NODE_MS / 1000} s a node, median`, ms(status.p50Ms), '');
  line('  99th percentile', ms(status.p99Ms), 'under 100 ms');
  line('  unanswered', String(status.unanswered), '0');
  if (due === undefined) return;
  line(`${due.due} clusters due in one minute: all have run after`, `${due.seconds.toFixed(0)} s`, '');
  line('  clusters per second', due.perSecond.toFixed(1), '');
  line('  asleep again, failed', `${due.idle}, ${due.failed}`, `${due.due}, 0`);
  line('  status meanwhile, median', ms(due.status.p50Ms), '');
  line('  99th percentile', ms(due.status.p99Ms), '');
  line('  unanswered', String(due.status.unanswered), '0');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
