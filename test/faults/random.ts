/** Repeatable random choices: each fault draws from a sequence of its own, made of the seed and its title. */
import { createHash, randomInt } from 'node:crypto';

export interface Random {
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** An element of a non-empty list. */
  pick<T>(list: readonly T[]): T;
}

/** `OSPATCH_FAULT_SEED`, else a new one. */
export const SEED: number = readSeed(process.env['OSPATCH_FAULT_SEED']);

export function randomFor(title: string, seed = SEED): Random {
  let state = createHash('sha256').update(`${seed} ${title}`).digest().readUInt32LE();
  // Mulberry32: small, and the same on every machine.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    between,
    pick: <T>(list: readonly T[]): T => {
      if (list.length === 0) throw new Error('nothing to pick from');
      return list[between(0, list.length - 1)] as T;
    },
  };
}

function readSeed(text: string | undefined): number {
  if (text === undefined || text === '') return randomInt(1, 1_000_000);
  const seed = Number(text);
  if (!Number.isInteger(seed)) throw new Error(`OSPATCH_FAULT_SEED is "${text}", but must be a whole number`);
  return seed;
}
