import { InvalidArgumentError } from 'commander';

/** Reads a TCP port that is at least `least`. */
export function portFrom(least: 1 | 1024): (text: string) => number {
  return (text) => {
    const port = Number(text);
    if (/^\d+$/.test(text) && port >= least && port <= 65_535) return port;
    throw new InvalidArgumentError(`Allowed: a port from ${least} to 65535.`);
  };
}
