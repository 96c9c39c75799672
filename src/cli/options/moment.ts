/** Options that name a moment. */
import { InvalidArgumentError, Option } from 'commander';
import { isoSecond, parseDateTime } from '../../domain/shared/dates';
import { isDuration, parseDuration } from '../../domain/shared/duration';
import type { CliContext } from '../io/context';

/** `what`: e.g. `when the lock ends`. The value is ISO 8601 in UTC. */
export function momentOption(context: Pick<CliContext, 'now'>, flags: string, what: string): Option {
  return new Option(flags, `${what}: a duration from now, or a moment with zone`).argParser((text) => {
    if (isDuration(text)) return isoSecond(context.now() + parseDuration(text));
    const at = isDate(text) ? Date.parse(text) : Number.NaN;
    if (!Number.isNaN(at)) return isoSecond(at);
    throw new InvalidArgumentError('Allowed: a duration such as 12h or 3d, or a moment such as 2027-01-31T18:00:00Z.');
  });
}

/** `Date.parse` takes February 30 for March 2. */
function isDate(text: string): boolean {
  const [, local] = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/.exec(text) ?? [];
  return local !== undefined && parseDateTime(local) !== null;
}
