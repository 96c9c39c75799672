/** What is read of a cluster, or of one that was removed as long as Temporal keeps it. */
import { isOspatchError } from '../../domain/shared/errors';
import type { CliContext } from './context';
import { printNote } from './output';

/** @throws what `read` has thrown, when there is no removed cluster either */
export async function orOfRemoved<T>(
  context: CliContext,
  cluster: string,
  read: () => Promise<T>,
  readRemoved: () => Promise<T | null>,
): Promise<{ value: T; isRemoved: boolean }> {
  try {
    return { value: await read(), isRemoved: false };
  } catch (error) {
    if (!isOspatchError(error) || error.type !== 'NotFound') throw error;
    const value = await readRemoved();
    if (value === null) throw error;
    printNote(context, `the cluster ${cluster} was removed; this is what Temporal still has of it`);
    return { value, isRemoved: true };
  }
}
