/** IP addresses and networks as numbers. Host names are none of them. */
import { isHost } from '../trust/hosts';

export interface IpAddress {
  family: 4 | 6;
  bits: bigint;
}

export interface Network extends IpAddress {
  /** Length of the prefix, in bits. */
  prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** `::ffff:0:0/96`, the IPv4 addresses in IPv6 notation. */
const MAPPED = 0xffffn;

/**
 * An address in one of the two usual notations; null for anything else, and so for octal, hexadecimal and shortened IPv4
 * forms. An IPv4 address in IPv6 notation (`::ffff:10.0.0.1`) is the IPv4 address.
 */
export function parseAddress(text: string): IpAddress | null {
  if (!isHost(text)) return null;
  if (!text.includes(':')) return /^[\d.]+$/.test(text) ? { family: 4, bits: ipv4Bits(text) } : null;
  const bits = ipv6Bits(text);
  return bits >> 32n === MAPPED ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

/** `10.0.0.0/16`, or one address; null for anything else, and when bits are set below the prefix. */
export function parseNetwork(text: string): Network | null {
  const [base = '', length, ...more] = text.split('/');
  const address = parseAddress(base);
  if (address === null || more.length > 0) return null;
  const width = WIDTH[address.family];
  // The prefix of a mapped address would count from the IPv6 form.
  if (length !== undefined && base.includes(':') && address.family === 4) return null;
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return null;
  const prefix = length === undefined ? width : Number(length);
  if (prefix > width) return null;
  const hostBits = BigInt(width - prefix);
  return (address.bits >> hostBits) << hostBits === address.bits ? { ...address, prefix } : null;
}

export function isInNetwork(address: IpAddress, network: Network): boolean {
  const shift = BigInt(WIDTH[network.family] - network.prefix);
  return address.family === network.family && address.bits >> shift === network.bits >> shift;
}

/** Whether an address is in one of the networks, all given as text; false for text that is no address. */
export function isAddressIn(text: string, networks: readonly string[]): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  return networks.some((one) => {
    const network = parseNetwork(one);
    return network !== null && isInNetwork(address, network);
  });
}

function ipv4Bits(text: string): bigint {
  return text.split('.').reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n);
}

/** Of valid IPv6 notation. */
function ipv6Bits(text: string): bigint {
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const low = tail === null ? 0n : ipv4Bits(tail[2] ?? '');
  const plain = tail === null ? text : `${tail[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  const [head = [], end = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const groups = [...head, ...Array.from({ length: 8 - head.length - end.length }, () => '0'), ...end];
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}
