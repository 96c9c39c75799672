/** FNV-1a over the code units of `text`: 32 bits, the same for ever. Spreads work by name; protects nothing. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
