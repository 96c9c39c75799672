// A release with one changed step of a node patch, which begins with an additional timer.
const { sleep } = require('@temporalio/workflow');
const released = require('../../lib/workflows');

module.exports = {
  ...released,
  async patchNode(input) {
    await sleep('20 ms');
    return released.patchNode(input);
  },
};
