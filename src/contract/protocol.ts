/**
 * The protocol between workflows and the workers that run activities, which may be of different releases: a site has
 * workers of its own. The number grows by one with a field of an activity input that an older worker must not ignore
 * (a restriction, a limit, a permission withdrawn), and with a new activity.
 */

/** What the workflows of this release write into every activity input. */
export const PROTOCOL = 1;

/** The oldest number whose inputs the activities of this release still carry out. */
export const OLDEST_PROTOCOL = 1;

/** The first release that speaks {@link PROTOCOL}, so that an older worker can name it. */
export const PROTOCOL_SINCE = '0.1.0';

/** Name of the header of an activity input. */
export const PROTOCOL_HEADER = 'ospatch-protocol';

/** What stands in the header. Newer releases may add fields, which are ignored. */
export interface ProtocolHeader {
  protocol: number;
  /** First release that speaks it. */
  since: string;
}

/** The content of a header; null when there is no protocol number in it. */
export function readProtocolHeader(value: unknown): ProtocolHeader | null {
  if (typeof value !== 'object' || value === null || !('protocol' in value)) return null;
  const { protocol } = value;
  if (typeof protocol !== 'number' || !Number.isSafeInteger(protocol) || protocol < 1) return null;
  const since = 'since' in value && typeof value.since === 'string' ? value.since : '';
  return { protocol, since: /^[0-9A-Za-z.+-]{1,40}$/.test(since) ? since : '' };
}

/** `protocol 2 (ospatch 0.2.0 or newer)`. */
export function describeProtocol({ protocol, since }: ProtocolHeader): string {
  return since === '' ? `protocol ${protocol}` : `protocol ${protocol} (ospatch ${since} or newer)`;
}

/** For `waitingFor`, when the workers of a task queue are too old for a step. */
export function waitsForProtocol(taskQueue: string, needed: ProtocolHeader): string {
  return `a worker of task queue ${taskQueue} that supports ${describeProtocol(needed)}`;
}
