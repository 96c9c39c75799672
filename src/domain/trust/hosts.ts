/** Valid host names and addresses. None can be mistaken for an option or interpreted by a shell. */
export const HOST_FORMAT = 'an IPv4 address, an IPv6 address without brackets, or a DNS name';

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const DECIMAL_OCTET = /^(0|[1-9]\d{0,2})$/;

export function isHost(text: string): boolean {
  if (text.includes(':')) return parseIpv6(text) !== null;
  // A name that ends in a number would be parsed as an address, so 10.0.0.300 is invalid, not a name.
  if (/(^|\.)(\d+|0x[\da-f]*)$/i.test(text)) return isIpv4(text);
  return DNS_NAME.test(text);
}

/** Canonical form of an address, to detect duplicates: lower case, IPv6 expanded. */
export function canonicalHost(host: string): string {
  const groups = host.includes(':') ? parseIpv6(host) : null;
  return groups === null ? host.toLowerCase() : groups.map((group) => group.toString(16)).join(':');
}

function isIpv4(text: string): boolean {
  const octets = text.split('.');
  return octets.length === 4 && octets.every((octet) => DECIMAL_OCTET.test(octet) && Number(octet) <= 255);
}

/** The eight groups of an IPv6 address; null when it is malformed. */
function parseIpv6(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : null;
  return missing >= 1 ? [...head, ...Array.from({ length: missing }, () => 0), ...tail] : null;
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && mayEndInIpv4 && index === parts.length - 1) {
      if (!isIpv4(part)) return null;
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[\da-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}
