/** Many commands of one kind: a workflow task that issued thousands of them would take too long. */

const AT_ONCE = 50;

/** Runs `work` for all of `items`, at most 50 at the same time. */
export async function inChunks<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}
