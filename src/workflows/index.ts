/** Everything a worker runs. The function names are workflow types and must not change. */
export { cluster } from './cluster';
export { checkCluster, examineNodes, readNodeLog } from './inspect';
export { patchNode } from './patch-node';
export { rollout } from './rollout';
