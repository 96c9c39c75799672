// The worker of fleet.js: the product's workflows, settings and activities for clusters, with simulated nodes that take as long
// as the parent says and never need anything. Tells the parent of each first look at a node and of each settled one.
'use strict';
require('../register');
const { NativeConnection, Runtime, Worker, DefaultLogger } = require('@temporalio/worker');
const path = require('node:path');
const { createClusterActivities } = require('../../lib/activities/cluster');
const { dataConverter } = require('../../lib/encryption/data-converter');
const { limitOptions, workerLimitsFromEnv } = require('../../lib/worker-limits');
const { nodeFacts, patchPlan } = require('../../test/support/builders');

let nodeMs = 0;

const nodes = {
  async preflight({ target }) {
    process.send({ preflight: target.cluster, at: Date.now() });
    if (nodeMs > 0) await new Promise((resolve) => setTimeout(resolve, nodeMs));
    return {
      facts: nodeFacts(),
      plan: patchPlan(),
      repaired: null,
    };
  },
};

async function main() {
  const [address, bundle, taskQueue] = process.argv.slice(2);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const connection = await NativeConnection.connect({ address });
  const audit = { info: ({ outcome }) => process.send({ settled: outcome ?? 'unknown' }) };
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath: path.resolve(bundle) },
    ...limitOptions(workerLimitsFromEnv(process.env)),
    activities: { ...createClusterActivities(audit), ...nodes, notificationDefaults: () => Promise.resolve([]) },
    ...(taskQueue === 'bare' ? {} : { dataConverter: dataConverter(null, 'passthrough') }),
  });
  process.on('message', (message) => {
    if (message.nodeMs !== undefined) nodeMs = message.nodeMs;
    if (message.stop) worker.shutdown();
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
