// What a worker keeps in memory: its own size, and that of each cached cluster. A real Temporal server, the built worker.
// Usage: node tools/bench/worker-memory.js [--clusters N] [--nodes N] [--json FILE]
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
    nodes: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const clusters = Number(values.clusters);
const nodesPerCluster = Number(values.nodes);

const WIDTH = 16;
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

async function main() {
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-bench-'));
  const server = await startTemporalServer({ headless: true });
  try {
    const env = { OSPATCH_MAX_CACHED_WORKFLOWS: String(clusters * 2) };
    const worker = await startWorkerProcess({ address: server.address, keyDir: dir, env });
    const client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
    const empty = await settled(worker.pid);
    const half = Math.round(clusters / 2);
    await apply(client, 0, half);
    const atHalf = await settled(worker.pid);
    await apply(client, half, clusters);
    const full = await settled(worker.pid);
    // The first half also brings what is loaded once; the second tells what one more costs.
    const result = {
      clusters,
      nodesPerCluster,
      idleWorkerMiB: Math.round(empty),
      halfMiB: Math.round(atHalf),
      fullMiB: Math.round(full),
      perCachedClusterKiB: Math.round(((full - atHalf) / (clusters - half)) * 1024),
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
