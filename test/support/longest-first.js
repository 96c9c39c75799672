const { existsSync } = require('node:fs');
const path = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/**
 * Files that take a minute and more, the longest first. If one of them began last, the other processor would idle in the
 * end. Jest itself knows the duration of a file only from earlier runs.
 */
const LONGEST = [
  'test/e2e/two-windows.test.ts',
  'test/e2e/kubernetes.kube-nodes.test.ts',
  'test/node/package-managers/dnf.node.test.ts',
  'test/e2e/eks.test.ts',
  'test/workflows/run/windows-requested.test.ts',
  'test/e2e/main-path.test.ts',
  'test/node/restart.node.test.ts',
  'test/kubernetes/drain/budgets.kube.test.ts',
  'test/node/helper.node.test.ts',
  'test/node/jobs.node.test.ts',
  'test/faults/worker.fault.test.ts',
  'test/faults/network.fault.test.ts',
  'test/workflows/run/windows-steered.test.ts',
  'test/workflows/run/windows.test.ts',
  'test/workflows/run/rollout.test.ts',
  'test/workflows/cluster/blackouts.test.ts',
  'test/e2e/doctor.test.ts',
  'test/e2e/secrets.test.ts',
  'test/node/package-managers/zypper.node.test.ts',
  'test/node/package-managers/apk.node.test.ts',
  'test/faults/control-plane.kube-nodes.test.ts',
  'test/workflows/cluster/sites.test.ts',
  'test/workflows/node/drain.test.ts',
  'test/e2e/rejections.test.ts',
  'test/workflows/eks/update-nodegroup.test.ts',
  'test/workflows/stuck.test.ts',
  'test/faults/node-boot.fault.test.ts',
  'test/faults/worker.kube-nodes.test.ts',
  'test/workflows/run/unreachable-node.test.ts',
  'test/systems/trixie.node.test.ts',
  'test/kubernetes/drain/drain.test.ts',
].map((file) => path.join(__dirname, '../..', file));

for (const file of LONGEST) if (!existsSync(file)) console.warn(`${__filename} names ${file}, which does not exist`);

/** Orders the test files. */
module.exports = class extends Sequencer {
  sort(tests) {
    const place = (test) => (LONGEST.includes(test.path) ? LONGEST.indexOf(test.path) : LONGEST.length);
    return super.sort(tests).sort((a, b) => place(a) - place(b));
  }
};
