/** Names in a message; the rest is counted. */
const MAX_NAMED = 10;

/** E.g. `would remove: a, b and 3 more`; empty when there is nothing to refuse. */
export function refusal(what: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length - MAX_NAMED;
  return `${what}: ${names.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
