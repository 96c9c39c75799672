// The worker of large-run.js: the product's workflows, settings and activities for clusters, with simulated nodes. Each takes
// as long as its name says (`w-<number>-<tenths of a second>`), some are lost in the middle.
'use strict';
require('../register');
const { NativeConnection, Runtime, Worker, DefaultLogger } = require('@temporalio/worker');
const { heartbeat } = require('@temporalio/activity');
const path = require('node:path');
const { createClusterActivities } = require('../../lib/activities/cluster');
const { dataConverter } = require('../../lib/encryption/data-converter');
const { limitOptions, workerLimitsFromEnv } = require('../../lib/worker-limits');
const { summarisePlan } = require('../../lib/domain/node/report');
const { nodeFacts, packageChange, patchPlan } = require('../../test/support/builders');

/** How much of the time of a node the first step takes; the rest is the transaction. */
const PREFLIGHT_SHARE = 0.1;
const LOST_AFTER_SHARE = 0.2;
const HEARTBEAT_MS = 10_000;

const pause = async (ms) => {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(HEARTBEAT_MS, end - Date.now())));
    heartbeat();
  }
};

const msOf = ({ name }) => Number(name.split('-')[2]) * 100;
const isLost = ({ name }) => name.endsWith('-lost');

const nodes = {
  async preflight({ target }) {
    process.send({ begun: target.name, at: Date.now() });
    await pause(msOf(target) * PREFLIGHT_SHARE);
    return { facts: nodeFacts(), plan: summarisePlan(patchPlan('openssl', 'linux-image-amd64')), repaired: null };
  },
  async apply({ target, noticeAfterMs }) {
    const rest = msOf(target) * (1 - PREFLIGHT_SHARE);
    if (isLost(target) && noticeAfterMs !== undefined) {
      await pause(rest * LOST_AFTER_SHARE);
      process.send({ lost: target.name, at: Date.now() });
      return { state: 'unreachable', observedMs: noticeAfterMs, message: 'the simulated node is unreachable' };
    }
    await pause(isLost(target) ? rest * (1 - LOST_AFTER_SHARE) : rest);
    process.send({ applied: target.name, at: Date.now() });
    const changes = ['openssl', 'linux-image-amd64'].map((name) => packageChange(name));
    return {
      state: 'done',
      result: { changes, keptConfigFiles: [], warnings: [], error: null, logBytes: 1, endedAgo: 0 },
    };
  },
  readFacts: async () => nodeFacts({ osVersion: 'Debian GNU/Linux 12.15' }),
};

async function main() {
  const [address, taskQueue] = process.argv.slice(2);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const connection = await NativeConnection.connect({ address });
  const audit = {
    info: ({ node, outcome }) => process.send({ ended: node, outcome, at: Date.now() }),
  };
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath: path.join(__dirname, '../../lib/workflow-bundle.js') },
    ...limitOptions(workerLimitsFromEnv(process.env)),
    activities: { ...createClusterActivities(audit), ...nodes, notificationDefaults: () => Promise.resolve([]) },
    dataConverter: dataConverter(null, 'passthrough'),
  });
  process.on('message', ({ stop }) => {
    if (stop) worker.shutdown();
  });
  process.on('disconnect', () => process.exit());
  const running = worker.run();
  process.send({ ready: true });
  await running;
  await connection.close();
  if (process.connected) process.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
