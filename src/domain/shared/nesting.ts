/** Nesting depth of untrusted values. */

/**
 * Whether `value` has more than `limit` levels of lists and objects. The check stops there: unbounded recursion
 * overflows the stack at a depth that differs between processes, which a workflow must not depend on.
 */
export function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return limit === 0 || Object.values(value).some((inner) => isDeeperThan(inner, limit - 1));
}
