/** Reads what a server says before encryption begins (RFC 4253, sections 4.2 and 7.1). All of it is untrusted. */
import { plainText } from '../../domain/shared/text';
import type { NegotiableAlgorithms } from '../algorithms';

const KEXINIT = 20;
const COOKIE_BYTES = 16;
const MAX_SHOWN = 200;

export interface ServerOffer {
  kex: string[];
  hostKeys: string[];
  ciphers: string[];
  macs: string[];
  compression: string[];
}

/** Null when the beginning holds no complete proposal. */
export function parseOffer(beginning: Buffer): ServerOffer | null {
  const at = endOfIdentification(beginning);
  if (at === null || beginning.length < at + 6 + COOKIE_BYTES) return null;
  const end = at + 4 + beginning.readUInt32BE(at);
  if (end > beginning.length || beginning[at + 5] !== KEXINIT) return null;
  const lists: string[][] = [];
  let next = at + 6 + COOKIE_BYTES;
  // Ciphers, MACs and compression come once for each direction.
  while (lists.length < 8) {
    if (next + 4 > end) return null;
    const length = beginning.readUInt32BE(next);
    if (next + 4 + length > end) return null;
    lists.push(
      beginning
        .subarray(next + 4, next + 4 + length)
        .toString('latin1')
        .split(','),
    );
    next += 4 + length;
  }
  const [kex = [], hostKeys = [], , ciphers = [], , macs = [], , compression = []] = lists;
  return { kex, hostKeys, ciphers, macs, compression };
}

/** What a server and we do not have in common, with what the server offers; null when that is unknown. */
export function mismatchedOffer(beginning: Buffer, ours: NegotiableAlgorithms): string | null {
  const offer = parseOffer(beginning);
  if (offer === null) return null;
  const parts: readonly [string, readonly string[], readonly string[]][] = [
    ['key exchange', offer.kex, ours.kex],
    ['cipher', offer.ciphers, ours.cipher],
    ['MAC', offer.macs, ours.hmac],
    ['compression', offer.compression, ours.compress],
  ];
  const found = parts.find(([, offered, wanted]) => !offered.some((name) => wanted.includes(name)));
  return found === undefined ? null : `${found[0]}: it offers only ${plainText(found[1].join(', '), MAX_SHOWN)}`;
}

/** The words of a server that closes the connection instead of identifying itself. */
export function saidBeforeIdentification(beginning: Buffer): string {
  const text = beginning.toString('latin1');
  return text.startsWith('SSH-') ? '' : plainText(text.split(/^SSH-/m)[0] ?? '', MAX_SHOWN);
}

function endOfIdentification(beginning: Buffer): number | null {
  const line = /^SSH-[^\n]*\n/m.exec(beginning.toString('latin1'));
  return line === null ? null : line.index + line[0].length;
}
