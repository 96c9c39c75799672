/**
 * Lazy loading in src/ names the compiled file (`await import('./x.js')`), as required by Node.js; the tests load
 * the TypeScript file.
 */
const path = require('node:path');

const SRC = path.join(__dirname, '../../src') + path.sep;

module.exports = (request, options) => {
  const own = request.startsWith('.') && request.endsWith('.js') && `${options.basedir}/`.startsWith(SRC);
  return options.defaultResolver(own ? request.slice(0, -'.js'.length) : request, options);
};
