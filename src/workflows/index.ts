/** Everything a worker runs. The function names are workflow types and must not change. */
export { cluster } from './cluster/cluster';
export { inspectEks } from './inspect/eks';
export { updateNodegroup } from './eks/update-nodegroup';
export { inspectKubernetes, inspectNodes, readNodeLog, uncordonNode } from './inspect/nodes';
export { patchNode } from './node/patch-node';
export { prefetchNodes } from './node/prefetch-nodes';
export { rollout } from './run/rollout';
