// One run over thousands of simulated nodes, with a real Temporal server, the real workflows and the product's worker.
// Usage: node tools/bench/large-run.js [--nodes N] [--concurrency N] [--seconds N] [--lost N] [--kills N] [--pause] [--seed N] [--json FILE]
//
// The nodes are simulated: each takes as long as its name says, on average --seconds. The bound for the makespan is that of
// list scheduling: the same nodes in the same order with the same times, each started when a place is free, with no time
// spent between them.
'use strict';
const { fork } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Client, Connection } = require('@temporalio/client');
const { ClusterClient } = require('../../lib/client/cluster-client');
const { TASK_QUEUE, clusterWorkflowId, runWorkflowId } = require('../../lib/contract/workflow-ids');
const { startTemporalServer } = require('../../lib/dev/temporal-server');
const { validateSpecObject } = require('../../lib/domain/spec/parse');
const { dataConverter } = require('../../lib/encryption/data-converter');

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5000' },
    concurrency: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    lost: { type: 'string', default: '0' },
    kills: { type: 'string', default: '0' },
    pause: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const NODES = Number(values.nodes);
const CONCURRENCY = Number(values.concurrency);
const NAME = 'large';
const SAMPLE_MS = 2_000;
const PAUSE_MS = 5_000;
const PAGES = [100, 1_000];

const log = (line) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Most nodes take about as long, some several times as long. */
function namesOf() {
  const random = randomOf(Number(values.seed));
  const lostEvery = Number(values.lost) === 0 ? Infinity : Math.floor(NODES / Number(values.lost));
  return Array.from({ length: NODES }, (_, at) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const tenths = Math.max(5, Math.round(10 * Number(values.seconds) * Math.exp(0.5 * normal - 0.125)));
    return `w-${at}-${tenths}${(at + 1) % lostEvery === 0 ? '-lost' : ''}`;
  });
}

function specOf(names) {
  const hostKey = () =>
    `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), randomBytes(32)]).toString('base64')}`;
  const checked = validateSpecObject({
    apiVersion: 'ospatch/v1',
    name: NAME,
    type: 'self-managed',
    patching: {
      rollout: { order: names, concurrency: CONCURRENCY, maxFailures: '50%' },
      rebootIfRequired: false,
    },
    nodes: names.map((name, at) => ({
      name,
      host: `10.${at >> 8}.${at & 255}.7`,
      ssh: { user: 'ospatch', identity: 'demo' },
      hostKeys: [hostKey()],
    })),
  });
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems.slice(0, 3)));
  return checked.spec;
}

/** Seconds until the last node is over. A lost node gives its place away when it is lost. */
function listScheduling(times) {
  const free = Array.from({ length: Math.min(CONCURRENCY, times.length) }, () => 0);
  let end = 0;
  for (const { placeMs, wholeMs } of times) {
    let first = 0;
    for (let at = 1; at < free.length; at += 1) if (free[at] < free[first]) first = at;
    end = Math.max(end, free[first] + wholeMs);
    free[first] += placeMs;
  }
  return end / 1000;
}

function simulatedTime(name) {
  const wholeMs = Number(name.split('-')[2]) * 100;
  return { wholeMs, placeMs: name.endsWith('-lost') ? wholeMs * (0.1 + 0.9 * 0.2) : wholeMs };
}

class Workers {
  begun = new Map();
  lost = new Map();
  ended = new Map();
  rssMiB = 0;
  again = 0;

  constructor(address) {
    this.address = address;
  }

  async start() {
    const env = { ...process.env, OSPATCH_MAX_ACTIVITIES: String(CONCURRENCY + 100) };
    const child = fork(path.join(__dirname, 'large-run-worker.js'), [this.address, TASK_QUEUE], {
      stdio: 'inherit',
      env,
    });
    this.child = child;
    child.on('message', ({ begun, lost, ended, at }) => {
      if (begun !== undefined) this.begun.set(begun, this.begun.get(begun) ?? at);
      if (lost !== undefined) this.lost.set(lost, at);
      if (ended !== undefined) this.ended.set(ended, at);
    });
    await once(child, 'message');
  }

  sample() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    this.rssMiB = Math.max(this.rssMiB, Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
  }

  async kill() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
    await this.start();
  }

  async stop() {
    const ended = once(this.child, 'exit');
    this.child.send({ stop: true });
    await ended;
  }
}

/** Bytes of the largest payload in a message of the server. */
function largestPayload(value) {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return 0;
  const own = value.data instanceof Uint8Array && value.metadata !== undefined ? value.data.length : 0;
  return Math.max(own, ...Object.values(value).map(largestPayload));
}

const msOf = (time) => Number(time.seconds) * 1000 + time.nanos / 1e6;

/** How long each workflow task took the worker. */
function taskTimes(events) {
  const times = [];
  let started = 0;
  for (const event of events) {
    if (event.workflowTaskStartedEventAttributes) started = msOf(event.eventTime);
    if (event.workflowTaskCompletedEventAttributes) times.push(msOf(event.eventTime) - started);
  }
  return times;
}

async function historiesOf(client, workflowId) {
  const found = [];
  for await (const { runId } of client.workflow.list({ query: `WorkflowId = "${workflowId}"` })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const { historyLength, historySize } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const largest = Math.max(...events.map((event) => largestPayload(event)));
    found.push({ runId, historyLength, historySize, largest, tasks: taskTimes(events) });
  }
  return found;
}

function summaryOf(histories) {
  const largest = (of) => Math.max(...histories.map(of));
  const tasks = histories.flatMap(({ tasks: own }) => own);
  return {
    workflows: histories.length,
    events: largest(({ historyLength }) => historyLength),
    bytes: largest(({ historySize }) => historySize ?? 0),
    payload: largest(({ largest: own }) => own),
    tasks: tasks.length,
    taskP50Ms: quantile(tasks, 0.5),
    taskP99Ms: quantile(tasks, 0.99),
    taskMaxMs: Math.max(...tasks),
  };
}

function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}

/** The largest answer to a query, as the server carries it. */
async function largestPage(client, workflowId, query, limit) {
  let largest = 0;
  for (let from = 0; from !== null;) {
    const { queryResult } = await client.workflowService.queryWorkflow({
      namespace: 'default',
      execution: { workflowId },
      query: {
        queryType: query,
        queryArgs: { payloads: [client.dataConverterOf({ from, limit })] },
      },
    });
    largest = Math.max(largest, largestPayload(queryResult));
    const page = await client.decoded(queryResult.payloads[0]);
    from = page.next ?? null;
    if (from !== null && from > 1_500) break;
  }
  return largest;
}

async function main() {
  const server = await startTemporalServer({ headless: true });
  const workers = new Workers(server.address);
  const report = { ...values };
  try {
    await workers.start();
    const connection = await Connection.connect({ address: server.address });
    const converter = dataConverter(null, 'throw');
    const client = new Client({ connection, dataConverter: converter });
    const { defaultPayloadConverter } = require('@temporalio/common');
    const codecs = converter.payloadCodecs ?? [];
    client.dataConverterOf = (value) => defaultPayloadConverter.toPayload(value);
    client.decoded = async (payload) => {
      let decoded = [payload];
      for (const codec of codecs) decoded = await codec.decode(decoded);
      return defaultPayloadConverter.fromPayload(decoded[0]);
    };
    const product = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
    const names = namesOf();
    log(`${NODES} simulated nodes, ${CONCURRENCY} at a time`);
    await product.apply(specOf(names));
    const started = Date.now();
    await product.patch(NAME);

    const steering = [];
    const queries = {};
    const disturbances = [];
    if (values.pause) disturbances.push({ at: 0.25, what: 'pause' });
    for (let n = 1; n <= Number(values.kills); n += 1)
      disturbances.push({ at: 0.2 + (0.6 * n) / (Number(values.kills) + 1), what: 'kill' });
    disturbances.sort((a, b) => a.at - b.at);
    let asked = 0;
    let sampled = 0;
    for (;;) {
      await sleep(SAMPLE_MS);
      workers.sample();
      const share = workers.ended.size / NODES;
      const due = disturbances[0];
      if (due !== undefined && share >= due.at) {
        disturbances.shift();
        log(`${workers.ended.size} nodes are over: ${due.what}`);
        if (due.what === 'kill') await workers.kill();
        else {
          // Short, as the bound knows no pause: waiting for the last node in work would empty every place.
          await product.pause(NAME);
          await sleep(PAUSE_MS);
          await product.resume(NAME);
        }
      }
      if (share > asked && share < 1) {
        asked = share + 0.05;
        const message = { node: names.at(-1), reason: 'a measurement', by: 'bench' };
        for (const [name, own] of [
          ['lock', message],
          ['unlock', message],
          ['setMaxFailures', { maxFailures: '50%' }],
        ]) {
          const before = performance.now();
          await product.steer(NAME, name, own).then(
            () => steering.push(performance.now() - before),
            (error) => log(String(error)),
          );
        }
        log(`${workers.ended.size} nodes are over, worker at ${workers.rssMiB.toFixed(0)} MiB`);
      }
      if (sampled === 0 && share > 0.6) {
        sampled = 1;
        const { createdAt } = await product.status(NAME);
        const ids = {
          status: clusterWorkflowId(NAME),
          nodes: clusterWorkflowId(NAME),
          progress: runWorkflowId(NAME, createdAt, 1),
        };
        for (const [query, id] of Object.entries(ids))
          for (const limit of PAGES)
            queries[`${query} ${limit}`] = await largestPage(client, id, query, limit).catch(String);
      }
      if (workers.ended.size >= NODES) {
        const { run, lastRun } = await product.history(NAME).then(({ runs }) => ({ run: null, lastRun: runs.at(-1) }));
        if (run === null && lastRun !== undefined) {
          report.lastRun = lastRun;
          break;
        }
      }
    }
    report.seconds = (Date.parse(report.lastRun.endedAt) - Date.parse(report.lastRun.startedAt)) / 1000;
    report.wallSeconds = (Date.now() - started) / 1000;
    report.bound = listScheduling(names.map(simulatedTime));
    const measured = names.map((name) => {
      const wholeMs = workers.ended.get(name) - workers.begun.get(name);
      const lostAt = workers.lost.get(name);
      return { wholeMs, placeMs: lostAt === undefined ? wholeMs : lostAt - workers.begun.get(name) };
    });
    report.boundOfMeasured = listScheduling(measured);
    report.ratio = report.seconds / report.bound;
    report.ratioOfMeasured = report.seconds / report.boundOfMeasured;
    const { createdAt } = await product.status(NAME);
    report.cluster = summaryOf(await historiesOf(client, clusterWorkflowId(NAME)));
    report.run = summaryOf(await historiesOf(client, runWorkflowId(NAME, createdAt, 1)));
    report.node = summaryOf(await historiesOf(client, `${clusterWorkflowId(NAME)}/node/${names.at(-1)}`));
    report.nodePatches = (await client.workflow.count('WorkflowType = "patchNode"')).count;
    report.queries = queries;
    report.steering = { count: steering.length, p50Ms: quantile(steering, 0.5), maxMs: Math.max(...steering) };
    report.rssMiB = workers.rssMiB;
    await product.close();
    await connection.close();
  } finally {
    await workers.stop();
    await server.stop();
  }
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

function print(report) {
  const line = (what, measured, hold = '') =>
    console.log(`${what.padEnd(66)}${String(measured).padStart(14)}  ${hold}`);
  const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;
  const { lastRun, cluster, run, node, steering } = report;
  line('', 'measured', 'to hold');
  line('nodes (simulated), patched', `${NODES}, ${lastRun.patched}`);
  line('node patches started (a second one would be a node patched twice)', report.nodePatches, String(NODES));
  line('makespan in seconds', report.seconds.toFixed(0));
  line('  list scheduling with the simulated times', report.bound.toFixed(0));
  line('  ratio', report.ratio.toFixed(3), 'at most 1.1');
  line('  ratio to list scheduling with the times that the nodes took', report.ratioOfMeasured.toFixed(3));
  for (const [name, one] of Object.entries({ cluster, run, 'node patch': node })) {
    line(`${name}: workflows`, one.workflows);
    line('  largest history, events', one.events, 'under 10,000');
    line('  largest history, size', kib(one.bytes), 'under 10,240 KiB');
    line('  largest payload', kib(one.payload), 'under 1,024 KiB');
    line(
      '  workflow task, median, 99th percentile, longest',
      [one.taskP50Ms, one.taskP99Ms, one.taskMaxMs].map((ms) => ms?.toFixed(0)).join(', ') + ' ms',
      'under 1,000 ms',
    );
  }
  for (const [query, bytes] of Object.entries(report.queries))
    line(`largest page of ${query}`, typeof bytes === 'number' ? kib(bytes) : bytes, 'under 128 KiB');
  line(
    'steering answered, median, longest',
    `${steering.p50Ms.toFixed(0)}, ${steering.maxMs.toFixed(0)} ms`,
    'under 1,000 ms',
  );
  line('memory of the worker', `${report.rssMiB.toFixed(0)} MiB`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
