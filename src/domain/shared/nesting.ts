/** How deep a value from outside is nested. */

/**
 * Whether `value` has more than `limit` levels of lists and objects. It stops there: code that goes all the way down runs
 * out of stack at a depth that differs from process to process, and a workflow must not.
 */
export function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return limit === 0 || Object.values(value).some((inner) => isDeeperThan(inner, limit - 1));
}
