/**
 * The Kubernetes client as Node.js itself loads it: it is an ES module of a thousand files, which jest can neither load
 * nor transform in useful time.
 */
module.exports = globalThis.requireNatively('@kubernetes/client-node');
