const { TestEnvironment } = require('jest-environment-node');

/** Node.js as always, and a way past jest's own loader, see `client-node.js`. */
module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.requireNatively = require;
  }
};
