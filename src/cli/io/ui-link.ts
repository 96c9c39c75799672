import type { ClusterClient } from '../../client/cluster-client';
import { isOspatchError } from '../../domain/shared/errors';
import type { CliContext } from './context';
import { colors, printNote } from './output';

/** Finds the clusters of one command in the Temporal UI; null where the address of the UI is not known. */
export function uiLinks(context: CliContext, client: ClusterClient): (cluster: string) => string | null {
  let isUsable = true;
  return (cluster) => {
    if (!isUsable) return null;
    try {
      return client.uiLink(cluster);
    } catch (error) {
      if (!isOspatchError(error)) throw error;
      // What was requested is done; a setting of the display is no reason to call it a failure.
      isUsable = false;
      printNote(context, `${colors(context, 'stderr').yellow('warning:')} ${error.message}`);
      return null;
    }
  };
}
