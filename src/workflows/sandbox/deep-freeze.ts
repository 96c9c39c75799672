/**
 * Freezes what the constants of a module hold. All modules are loaded once for all workflows of a worker, so what one
 * workflow changed there would be changed for all. The SDK freezes only what modules export, and no sets and maps.
 *
 * The bundler calls it at the end of every module, see `scripts/freeze-constants.js`.
 */
export function deepFreeze(value: unknown): void {
  // What a regular expression with the flag `g` remembers is set anew by each use.
  if (typeof value !== 'object' || value === null || value instanceof RegExp || Object.isFrozen(value)) return;
  if (value instanceof Set || value instanceof Map) {
    for (const name of ['add', 'set', 'delete', 'clear']) Object.defineProperty(value, name, { value: refuse });
  }
  Object.freeze(value);
  for (const held of Object.values(value)) deepFreeze(held);
}

function refuse(): never {
  throw new TypeError('a constant of a module cannot be changed');
}
