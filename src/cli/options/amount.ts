/** Numbers of nodes, and shares of them. */
import { Argument, InvalidArgumentError, Option } from 'commander';
import type { Amount } from '../../domain/spec/types';
import { MAX_NODES } from '../../domain/spec/types';

export function amountArgument(least: 0 | 1): Argument {
  return new Argument('<n>', 'a number of nodes, or a share such as 10%').argParser((text) => parseAmount(text, least));
}

export function amountOption(flags: string, what: string, least: 0 | 1): Option {
  return new Option(flags, `${what}: a number, or a share such as 10%`).argParser((text) => parseAmount(text, least));
}

function parseAmount(text: string, least: 0 | 1): Amount {
  const isShare = /^(100|[1-9]?\d)%$/.test(text);
  const number = /^\d{1,5}%?$/.test(text) ? Number.parseInt(text, 10) : Number.NaN;
  const isAllowed = number >= least && (isShare || (!text.endsWith('%') && number <= MAX_NODES));
  if (isAllowed) return isShare ? `${number}%` : number;
  throw new InvalidArgumentError(
    `Allowed: a whole number from ${least} to ${MAX_NODES}, or a share from ${least}% to 100%.`,
  );
}
