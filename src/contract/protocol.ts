/**
 * The protocol between workflows and the workers that run activities, which may be of different releases because a site
 * has workers of its own. The number grows by one with each new activity, and with each field of an activity input that
 * an older worker must not ignore (a restriction, a limit, a withdrawn permission), and with each value that an older worker
 * refuses as invalid. Other new fields are dropped by older workers.
 */

/** The number in every activity input from workflows of this release. */
export const PROTOCOL = 1;

/** The oldest number that the activities of this release support. */
export const OLDEST_PROTOCOL = 1;

/** The first release with {@link PROTOCOL}, which an older worker names in its error. */
export const PROTOCOL_SINCE = '0.1.0';

/** Name of the activity header. */
export const PROTOCOL_HEADER = 'ospatch-protocol';

/** Content of the header. Newer releases may add fields, which are ignored. */
export interface ProtocolHeader {
  protocol: number;
  /** First release that supports the protocol. */
  since: string;
}

/** Parses a header; null when it contains no protocol number. */
export function readProtocolHeader(value: unknown): ProtocolHeader | null {
  if (typeof value !== 'object' || value === null || !('protocol' in value)) return null;
  const { protocol } = value;
  if (typeof protocol !== 'number' || !Number.isSafeInteger(protocol) || protocol < 1) return null;
  const since = 'since' in value && typeof value.since === 'string' ? value.since : '';
  return { protocol, since: /^[0-9A-Za-z.+-]{1,40}$/.test(since) ? since : '' };
}

/** E.g. `protocol 2 (ospatch 0.2.0 or newer)`. */
export function describeProtocol({ protocol, since }: ProtocolHeader): string {
  return since === '' ? `protocol ${protocol}` : `protocol ${protocol} (ospatch ${since} or newer)`;
}

/** The `waitingFor` text when the workers of a task queue are too old for a step. */
export function waitsForProtocol(taskQueue: string, needed: ProtocolHeader): string {
  return `a worker of task queue ${taskQueue} that supports ${describeProtocol(needed)}`;
}
