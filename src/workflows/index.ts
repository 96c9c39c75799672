/** Everything a worker runs. The function names are workflow types and must not change. */
export { cluster } from './cluster';
export { examineEks } from './eks-inspect';
export { updateNodegroup } from './eks-update';
export { checkCluster, examineKubernetes, examineNodes, readNodeLog, uncordonNode } from './inspect';
export { patchNode } from './patch-node';
export { prefetchNodes } from './prefetch-nodes';
export { rollout } from './rollout';
