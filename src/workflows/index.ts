/** Everything a worker runs. The function names are workflow types and must not change. */
import { setWorkflowOptions } from '@temporalio/workflow';
import { cluster } from './cluster/cluster';

export { cluster };
export { inspectEks } from './inspect/eks';
export { inspectPolicy } from './inspect/policy';
export { updateNodegroup } from './eks/update-nodegroup';
export { inspectAlerts } from './inspect/alerts';
export { inspectAvailability } from './inspect/availability';
export { inspectKubernetes, inspectNodes, readNodeLog, uncordonNode } from './inspect/nodes';
export { patchNode } from './node/patch-node';
export { prefetchNodes } from './node/prefetch-nodes';
export { refreshFacts } from './node/refresh-facts';
export { notify } from './notify/notify';
export { testNotifications } from './inspect/notifications';
export { run } from './run/run';

/**
 * With Worker Deployment Versioning all workflows end on the version that started them, except the cluster, which lives
 * for years and moves to the current version with its next task. A versioned worker prepends a flag to the bundle.
 */
if ((globalThis as { ospatchIsVersioned?: boolean }).ospatchIsVersioned === true) {
  setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, cluster);
}
