/**
 * The Kubernetes client as Node.js itself loads it: an ES module of a thousand files, which jest can neither load nor
 * transform in reasonable time.
 */
module.exports = globalThis.requireNatively('@kubernetes/client-node');
