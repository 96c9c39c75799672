#!/usr/bin/env node
// What a scrape of many clusters costs, with a stand-in for Temporal's list of workflows that holds what real clusters publish.
// Usage: node tools/bench/exporter.js [--clusters 10000] [--nodes 3]
//
// Prints how long a reading takes, the first one and later ones, how long a scrape takes, and how many calls either made.
'use strict';
const { once } = require('node:events');
const { parseArgs } = require('node:util');
const { Worker } = require('node:worker_threads');
const { performance } = require('node:perf_hooks');
const { defaultPayloadConverter } = require('@temporalio/common');
const { newClusterState } = require('../../lib/domain/cluster/state.js');
const { publishedMetrics } = require('../../lib/domain/cluster/published.js');
const { countTotal, countWork } = require('../../lib/domain/cluster/totals.js');
const { ClusterReader } = require('../../lib/exporter/read-clusters.js');
const { MetricsPage } = require('../../lib/exporter/page.js');
const { serveEndpoints } = require('../../lib/exporter/endpoints.js');
const { validateSpecObject } = require('../../lib/domain/spec/parse.js');

const PAGE = 1_000;
const SCRAPES = 20;

const { values } = parseArgs({
  options: { clusters: { type: 'string', default: '10000' }, nodes: { type: 'string', default: '3' } },
});
const clusters = Number(values.clusters);
const nodes = Number(values.nodes);
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea';

const checked = validateSpecObject({
  ...{ apiVersion: 'ospatch/v1', name: 'bench', type: 'self-managed' },
  nodes: Array.from({ length: nodes }, (_, at) => ({
    name: `w-${at + 1}`,
    host: `w-${at + 1}.example`,
    ssh: { user: 'ospatch', identity: 'demo' },
    hostKeys: [HOST_KEY],
  })),
});
if (!checked.ok) throw new Error(checked.problems.join('\n'));

function published(name, changed) {
  const state = newClusterState({ ...checked.spec, name }, null, '2027-01-01T00:00:00.000Z');
  state.nodes = state.nodes.map((node) => ({
    ...node,
    ...{
      state: 'patched',
      patchedVersion: 'Debian GNU/Linux 12.15',
      kernel: '6.1.0-44-amd64',
      pendingUpdates: changed,
    },
    ...{ rebootRequired: false, lastAppliedPatchTime: state.createdAt, lastCheckedTime: state.createdAt },
  }));
  for (const outcome of ['succeeded', 'failed']) countTotal(state, 'runs', ['schedule', outcome]);
  countWork(state, { steps: ['preflight', 'apply', 'verify'].map((step) => [step, 12]), transaction: 'changed' });
  return publishedMetrics(state);
}

function execution(at, changed = 0) {
  const name = `cluster-${at}`;
  const metrics = defaultPayloadConverter.toPayload(published(name, changed));
  return {
    execution: { workflowId: `cluster/${name}`, runId: name },
    startTime: { seconds: at },
    memo: { fields: { metrics } },
  };
}

/** In a thread of its own, as a scraper is a process of its own. */
async function scrape(url, encoding) {
  const thread = new Worker(
    `const { get } = require('node:http');
    const { parentPort, workerData } = require('node:worker_threads');
    const begun = performance.now();
    const { url, encoding } = workerData;
    get(url, { headers: { 'accept-encoding': encoding } }, (answer) => {
      let bytes = 0;
      answer.on('data', (piece) => (bytes += piece.length));
      answer.on('end', () => parentPort.postMessage([performance.now() - begun, bytes]));
    });`,
    { eval: true, workerData: { url, encoding } },
  );
  const [result] = await once(thread, 'message');
  await thread.terminate();
  return result;
}

async function main() {
  const all = Array.from({ length: clusters }, (_, at) => execution(at));
  let [lists, queries] = [0, 0];
  const workflowService = {
    listWorkflowExecutions: async ({ query, nextPageToken }) => {
      lists += 1;
      if (!query.includes('"cluster" AND ExecutionStatus = "Running"') || query.includes('Problems'))
        return { executions: [] };
      const from = nextPageToken.length === 0 ? 0 : Number(Buffer.from(nextPageToken).toString());
      const next = from + PAGE < clusters ? Buffer.from(String(from + PAGE)) : new Uint8Array();
      return { executions: all.slice(from, from + PAGE), nextPageToken: next };
    },
    describeTaskQueue: async () => ({ pollers: [] }),
  };
  const client = {
    workflowService,
    options: { loadedDataConverter: { payloadConverter: defaultPayloadConverter, payloadCodecs: [] } },
    withDeadline: async (_, body) => body(),
    workflow: { getHandle: () => ({ query: async () => ((queries += 1), Promise.reject(new Error('none'))) }) },
  };
  const reader = new ClusterReader({ client, namespace: 'default', taskQueue: 'ospatch' });
  const page = new MetricsPage('bench');
  const readOnce = async (what) => {
    const begun = performance.now();
    await page.update(await reader.read(), Date.now());
    process.stdout.write(`${what}: ${Math.round(performance.now() - begun)} ms\n`);
    await reader.readDetails(Date.now());
  };
  await readOnce('first reading');
  for (let at = 0; at < clusters; at += 100) all[at] = execution(at, 1);
  await readOnce('a reading with 1 % changed');
  await readOnce('a reading without a change');
  const server = await serveEndpoints(
    { host: '127.0.0.1', port: 0 },
    { metrics: () => page.render(Date.now()), notReady: () => null },
    'bench',
  );
  const before = lists;
  const found = { identity: { times: [], bytes: 0 }, gzip: { times: [], bytes: 0 } };
  for (let at = 0; at < SCRAPES; at += 1) {
    for (const [encoding, one] of Object.entries(found)) {
      const [ms, length] = await scrape(`${server.url}/metrics`, encoding);
      one.times.push(ms);
      one.bytes = length;
    }
  }
  await server.close();
  process.stdout.write(`${clusters} clusters of ${nodes} nodes:\n`);
  for (const [encoding, { times, bytes }] of Object.entries(found)) {
    times.sort((one, other) => one - other);
    process.stdout.write(
      `a scrape of ${(bytes / 1e6).toFixed(1)} MB (${encoding}) takes ${Math.round(times[SCRAPES / 2])} ms (median), ` +
        `${Math.round(times.at(-1))} ms (longest of ${SCRAPES})\n`,
    );
  }
  process.stdout.write(
    `calls of Temporal per scrape: ${lists - before}; queries of clusters: ${queries}; ` +
      `memory ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB\n`,
  );
}

void main();
