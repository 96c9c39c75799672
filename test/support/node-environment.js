const { TestEnvironment } = require('jest-environment-node');

/** The Node.js environment with a bypass of jest's loader, see `client-node.js`. */
module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.requireNatively = require;
  }
};
