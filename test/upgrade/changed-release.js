// A release in which one step of a node patch has changed: it begins with a timer that this one does not have.
const { sleep } = require('@temporalio/workflow');
const released = require('../../lib/workflows');

module.exports = {
  ...released,
  async patchNode(input) {
    await sleep('20 ms');
    return released.patchNode(input);
  },
};
