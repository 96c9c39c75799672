// A worker process of one release, for workflows only, which can be killed. The test itself reaches the nodes.
// Usage: worker.js ADDRESS TASK_QUEUE BUNDLE [DEPLOYMENT BUILD_ID]
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { DefaultLogger, NativeConnection, Runtime, Worker } = require('@temporalio/worker');

const LIB = path.join(__dirname, '../../lib');
const { createClusterActivities } = require(path.join(LIB, 'activities/cluster.js'));
const { dataConverter } = require(path.join(LIB, 'encryption/data-converter.js'));

const [address, taskQueue, bundle, deploymentName, buildId] = process.argv.slice(2);

async function main() {
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: { core: 'ERROR' }, forward: {} } },
  });
  const isVersioned = deploymentName !== undefined;
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: {
      code: `${isVersioned ? 'globalThis.ospatchIsVersioned=true;' : ''}${readFileSync(bundle, 'utf8')}`,
    },
    dataConverter: {
      ...dataConverter(null, 'passthrough'),
      payloadConverterPath: path.join(LIB, 'workflows/sandbox/payload-converter.js'),
    },
    activities: {
      ...createClusterActivities({ info: () => undefined }),
      notificationDefaults: () => Promise.resolve([]),
    },
    enableNonLocalActivities: false,
    ...(isVersioned
      ? {
          workerDeploymentOptions: {
            version: { deploymentName, buildId },
            useWorkerVersioning: true,
            defaultVersioningBehavior: 'PINNED',
          },
        }
      : {}),
  });
  process.send('ready');
  await worker.run();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
