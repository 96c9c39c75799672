/** Job ids: `TOKEN-PHASE-NUMBER`. The helper validates the same format, so nothing else reaches its shell. */
import { OspatchError } from '../../domain/shared/errors';

export const PHASES = ['plan', 'fetch', 'apply', 'repair', 'restart'] as const;
export type Phase = (typeof PHASES)[number];

export interface Job {
  /** 16 hex characters, one per node patch. */
  token: string;
  phase: Phase;
  /** 0 to 999999. */
  number: number;
}

const TOKEN = /^[0-9a-f]{16}$/;
const BOOT_ID = /^[0-9a-f-]{8,64}$/;
const COMMAND_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const MAX_NUMBER = 999_999;

/** @throws OspatchError `Internal` for an invalid job id */
export function formatJobId(job: Job): string {
  const valid = TOKEN.test(job.token) && PHASES.includes(job.phase) && Number.isInteger(job.number);
  if (!valid || job.number < 0 || job.number > MAX_NUMBER) throw invalid('job', JSON.stringify(job));
  return `${job.token}-${job.phase}-${job.number}`;
}

/** @throws OspatchError `Internal` */
export function checkToken(token: string): string {
  if (!TOKEN.test(token)) throw invalid('token', token);
  return token;
}

/** @throws OspatchError `Internal` */
export function checkBootId(bootId: string): string {
  if (!BOOT_ID.test(bootId)) throw invalid('boot id', bootId);
  return bootId;
}

/** Name of a program in `COMMAND_DIR` of the helper. @throws OspatchError `Internal` */
export function checkCommandName(name: string): string {
  if (!COMMAND_NAME.test(name)) throw invalid('name of a command', name);
  return name;
}

function invalid(what: string, value: string): OspatchError {
  return new OspatchError({ type: 'Internal', message: `not a valid ${what}: ${value.slice(0, 100)}` });
}
