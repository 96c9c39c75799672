/**
 * Parses the helper's answers. Only the first line is protocol; it states the length of what follows, so output of
 * packages can never be mistaken for an answer.
 */
import { HELPER_PROTOCOL } from '../helper/script';

/** Protocols that a worker supports: the current and the previous one. */
export const UNDERSTOOD: readonly number[] = [HELPER_PROTOCOL, HELPER_PROTOCOL - 1];

export interface HelperAnswer {
  /** Protocol of the helper. */
  protocol: number;
  fields: ReadonlyMap<string, string>;
  body: Buffer;
}

export type JobAnswer = { log: Buffer; /** Size of the whole log. */ size: number } & (
  | { state: 'done'; rc: number; result: string; /** Seconds since it ended. */ endedAgo: number }
  | { state: 'running' | 'absent' | 'claimed' | 'unknown' | 'lost-reboot' | 'lost-killed' }
  | { state: 'busy'; /** Job id, or empty. */ holder: string }
);

const HEADER = /^ospatch (\d{1,6}) ([^\n]*)\n/;
/** Counts have at most this many digits; anything longer is malformed. */
const COUNT = /^\d{1,12}$/;
/** The helper refuses to send more. */
export const MAX_RESULT_BYTES = 2 * 1024 * 1024;
const MAX_HEADER_BYTES = 4096;

/** The answer in `stdout`; null when its first line is not a header of a supported protocol. */
export function parseAnswer(stdout: Buffer): HelperAnswer | null {
  const match = HEADER.exec(stdout.subarray(0, MAX_HEADER_BYTES).toString('latin1'));
  if (match === null) return null;
  const protocol = Number(match[1]);
  if (!UNDERSTOOD.includes(protocol)) return null;
  const fields = new Map<string, string>();
  for (const word of (match[2] ?? '').split(' ')) {
    const at = word.indexOf('=');
    fields.set(at === -1 ? word : word.slice(0, at), at === -1 ? '' : word.slice(at + 1));
  }
  return { protocol, fields, body: stdout.subarray(match[0].length) };
}

/** The protocol of an answer in an unsupported version; null for anything else. */
export function unsupportedProtocol(stdout: Buffer): number | null {
  const match = HEADER.exec(stdout.subarray(0, MAX_HEADER_BYTES).toString('latin1'));
  const protocol = match === null ? null : Number(match[1]);
  return protocol === null || UNDERSTOOD.includes(protocol) ? null : protocol;
}

/** The state of a job; null when the answer is incomplete or malformed. */
export function parseJobAnswer({ fields, body }: HelperAnswer): JobAnswer | null {
  const number = (name: string): number => {
    const text = fields.get(name) ?? '0';
    return COUNT.test(text) ? Number(text) : Number.NaN;
  };
  const logBytes = number('log');
  const resultBytes = number('result');
  const size = number('size');
  const isComplete = body.length >= logBytes + resultBytes && !Number.isNaN(size) && resultBytes <= MAX_RESULT_BYTES;
  if (!isComplete) return null;
  const common = { log: body.subarray(0, logBytes), size };
  const state = fields.get('state');
  switch (state) {
    case 'done': {
      const rc = number('rc');
      if (!fields.has('rc') || Number.isNaN(rc)) return null;
      const result = body.subarray(logBytes, logBytes + resultBytes).toString();
      return { ...common, state, rc, result, endedAgo: number('ended') || 0 };
    }
    case 'running':
    case 'absent':
    case 'claimed':
    case 'unknown':
    case 'lost-reboot':
    case 'lost-killed':
      return { ...common, state };
    case 'busy':
      return { ...common, state, holder: fields.get('holder') ?? '' };
    default:
      return null;
  }
}
