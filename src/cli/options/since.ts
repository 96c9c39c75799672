/** `--since` of several commands. */
import { Option } from 'commander';
import { isDuration, parseDuration } from '../../domain/shared/duration';
import { OspatchError } from '../../domain/shared/errors';

/** `what`: what is left of all there is. */
export function sinceOption(what: string): Option {
  return new Option('--since <time>', `only ${what} since then: a duration such as 2h, or a time`);
}

/** Epoch milliseconds; null without the option. @throws OspatchError `Usage` */
export async function parseSince(text: string | undefined, now: number): Promise<number | null> {
  if (text === undefined) return null;
  if (isDuration(text)) return now - parseDuration(text);
  const { parseInstant } = await import('../io/time.js');
  const { ownZone } = await import('../render/text.js');
  const at = parseInstant(text, ownZone());
  if (at !== null) return at;
  throw new OspatchError({
    type: 'Usage',
    message: `--since: found ${JSON.stringify(text.slice(0, 60))}; allowed: a duration such as 2h or 3d, or a time such as 2027-03-01, 2027-03-01T02:30 or 2027-03-01T02:30:00Z`,
    remedy: 'correct the time, or leave --since out for all there is',
  });
}
