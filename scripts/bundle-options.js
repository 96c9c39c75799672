// How the workflows are bundled, for the package and for tests.
const path = require('node:path');

/**
 * All modules are loaded once for all workflows of a worker, not again for each of them: that is most of what starting and
 * keeping a workflow costs. What they hold outside of functions is frozen, so that no workflow sees another one.
 *
 * `entry` exports the workflows; `sandbox` finds a module of `workflows/sandbox/` by its name, of which `interceptors` are.
 */
function bundleOptions(entry, sandbox, interceptors) {
  const payloadConverterPath = sandbox('payload-converter');
  const failureConverterPath = sandbox('failure-converter');
  const workflowInterceptorModules = interceptors.map((name) => sandbox(name));
  return {
    ...{ workflowsPath: entry, payloadConverterPath, failureConverterPath, workflowInterceptorModules },
    preloadModules: [payloadConverterPath, failureConverterPath, ...workflowInterceptorModules, entry],
    webpackConfigHook: (config) => withFrozenConstants(config, sandbox('deep-freeze')),
  };
}

function withFrozenConstants(config, deepFreeze) {
  const freeze = {
    test: /\.[jt]s$/,
    exclude: [/node_modules/, deepFreeze],
    enforce: 'post',
    use: { loader: path.join(__dirname, 'freeze-constants.js'), options: { deepFreeze } },
  };
  return { ...config, module: { ...config.module, rules: [...config.module.rules, freeze] } };
}

module.exports = { bundleOptions };
