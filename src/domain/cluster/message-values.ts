/** Values that people type into messages. */
import type { Amount } from '../spec/types';
import { MAX_NODES } from '../spec/types';

export const INSTANT_FORMAT = 'a moment in ISO 8601 with zone, e.g. 2027-01-31T18:00:00Z';

export function isInstant(value: unknown): value is string {
  const format = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
  return typeof value === 'string' && format.test(value) && !Number.isNaN(Date.parse(value));
}

export function amountFormat(least: 0 | 1): string {
  return `a whole number from ${least} to ${MAX_NODES}, or a share from ${least}% to 100%`;
}

export function isAmount(value: unknown, least: 0 | 1): value is Amount {
  if (typeof value === 'number') return Number.isInteger(value) && value >= least && value <= MAX_NODES;
  return typeof value === 'string' && /^(100|[1-9]?\d)%$/.test(value) && Number.parseInt(value, 10) >= least;
}
