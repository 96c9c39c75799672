/** The worker's own file of targets, for clusters whose spec has no `notifications`. Read again at every use. */
import { parseDocuments } from '../client/load/documents';
import type { NotificationTarget } from '../domain/notifications/types';
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { parseNotifications } from '../domain/spec/notifications-section';
import { readTrustedIfThere } from '../trusted-file';

const MAX_FILE_BYTES = 256 * 1024;

/**
 * The targets in the file; empty when there is no file, or no `file` is set.
 *
 * @throws OspatchError `Usage` when the file cannot be used
 */
export function readWorkerTargets(file: string | null): NotificationTarget[] {
  if (file === null) return [];
  const bytes = readTrustedIfThere(file, {
    secret: false,
    what: `the file ${file} (OSPATCH_NOTIFICATIONS)`,
    maxBytes: MAX_FILE_BYTES,
  });
  if (bytes === undefined) return [];
  const { documents, problems } = parseDocuments(bytes.toString('utf8'));
  const wrong = problems.find(({ severity }) => severity === 'error');
  if (wrong !== undefined) throw refused(file, `line ${wrong.line}: ${wrong.message}`);
  const [document, ...others] = documents;
  if (document === undefined) return [];
  if (others.length > 0) throw refused(file, 'found several documents; allowed: one');
  const parsed = parseNotifications(document.value);
  if (parsed.targets === null) throw refused(file, parsed.problem);
  return parsed.targets;
}

function refused(file: string, why: string): OspatchError {
  return new OspatchError({
    type: 'Usage',
    message: `${plainText(file, 300)} (OSPATCH_NOTIFICATIONS) cannot be used: ${plainText(why, 300)}`,
    remedy: 'correct the file: a mapping with notifications, a list of targets as in a spec',
  });
}
