// What a worker keeps in memory: its own size, and that of each cached cluster; and how long the status of a cluster takes
// that is cached, and of one that is not. A real Temporal server, the built worker.
// Usage: node tools/bench/worker-memory.js [--clusters N] [--cached N] [--nodes N] [--json FILE]
'use strict';
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { ClusterClient } = require('../../lib/client/cluster-client');
const { validateSpecObject } = require('../../lib/domain/spec/parse');
const { startTemporalServer } = require('../../lib/dev/temporal-server');
require('../register');
const { startWorkerProcess } = require('../worker-process');

const { values } = parseArgs({
  options: {
    clusters: { type: 'string', default: '1000' },
    cached: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const clusters = Number(values.clusters);
const cached = values.cached === undefined ? 2 * clusters : Number(values.cached);
const nodesPerCluster = Number(values.nodes);

const WIDTH = 16;
/** Clusters whose status is asked for. */
const ASKED = 200;
/** Until collected garbage has been given back. */
const SETTLE_MS = 10_000;
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea';

function specOf(name) {
  const checked = validateSpecObject({
    apiVersion: 'ospatch/v1',
    name,
    type: 'self-managed',
    patching: { schedule: 'weekly', patchOnBoot: false },
    nodes: Array.from({ length: nodesPerCluster }, (_, at) => ({
      name: `w-${at + 1}`,
      host: `${name}-w-${at + 1}.example`,
      ssh: { user: 'ospatch', identity: 'key' },
      hostKeys: [HOST_KEY],
    })),
  });
  if (!checked.ok) throw new Error(JSON.stringify(checked));
  return checked.spec;
}

/** Resident memory of a process, in MiB. */
function residentMiB(pid) {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

async function settled(pid) {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return residentMiB(pid);
}

async function apply(client, from, to) {
  let next = from;
  const one = async () => {
    while (next < to) {
      next += 1;
      await client.apply(specOf(`c-${next}`));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, one));
}

/** How long `ospatch status` waits for each of the clusters `from` to `to`, one after the other, in milliseconds. */
async function askStatus(client, from, to) {
  const times = [];
  for (let at = from; at < to; at += 1) {
    const started = performance.now();
    await client.status(`c-${at + 1}`);
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const quantile = (share) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))]);
  return { p50: quantile(0.5), p99: quantile(0.99) };
}

async function main() {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-bench-'));
  const server = await startTemporalServer({ headless: true });
  try {
    const env = { OSPATCH_MAX_CACHED_WORKFLOWS: String(cached) };
    const worker = await startWorkerProcess({ address: server.address, keyDir: dir, env });
    const client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
    const idleWorkerMiB = Math.round(await settled(worker.pid));
    const half = Math.round(Math.min(cached, clusters) / 2);
    await apply(client, 0, half);
    const halfCachedMiB = Math.round(await settled(worker.pid));
    await apply(client, half, 2 * half);
    const fullyCachedMiB = Math.round(await settled(worker.pid));
    await apply(client, 2 * half, clusters);
    const appliedMiB = Math.round(await settled(worker.pid));
    // Those that were applied last are in the cache, unless all others are too.
    const asked = Math.min(ASKED, Math.floor(clusters / 2));
    const fromCache = await askStatus(client, clusters - asked, clusters);
    const replayed = clusters < cached + asked ? { p50: null, p99: null } : await askStatus(client, 0, asked);
    const result = {
      ...{ clusters, nodesPerCluster, cached, idleWorkerMiB, halfCachedMiB, fullyCachedMiB, appliedMiB },
      // The first half also brings what is loaded once; the second tells what one more costs.
      perCachedClusterKiB: Math.round(((fullyCachedMiB - halfCachedMiB) / half) * 1024),
      statusFromCacheP50Ms: fromCache.p50,
      statusFromCacheP99Ms: fromCache.p99,
      statusReplayedP50Ms: replayed.p50,
      statusReplayedP99Ms: replayed.p99,
      afterStatusMiB: Math.round(await settled(worker.pid)),
    };
    console.table(result);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
    await client.close();
    await worker.stop();
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
