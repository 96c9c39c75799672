// A loader of webpack: has each module freeze what its constants hold, exported or not, see `deep-freeze.ts`.

/** A comment may stand before it on its line. */
const CONSTANT = /^(?:\/\*.*\*\/ | \*\/ )?(?:export )?const ([A-Za-z_$][\w$]*) = (?!require\(|__import)/gm;
/** Of compiled TypeScript; not the functions, which are exported as they are called. */
const EXPORTED = /^(exports\.([A-Za-z_$][\w$]*)) = (?!void 0|exports\.|\2;)/gm;

/** Lines stay where they are. */
module.exports = function freezeConstants(code, map) {
  const names = [...code.matchAll(CONSTANT), ...code.matchAll(EXPORTED)].map(([, name]) => name);
  const { deepFreeze } = this.getOptions();
  const freeze = `;[${names.join(', ')}].forEach(require(${JSON.stringify(deepFreeze)}).deepFreeze);`;
  this.callback(null, names.length === 0 ? code : `${code}\n${freeze}\n`, map);
};
