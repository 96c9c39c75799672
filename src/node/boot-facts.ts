/** Parses the boot facts reported by the helper. */
import type { BootFacts, BootFile } from '../domain/node/boot';

const ORDERS = ['newest', 'behind', 'other-flavour', 'unknown'] as const;
const STATES = ['whole', 'damaged', 'missing', 'unknown'] as const;

/** `all` returns the values of a key. Null: the helper reports no boot facts, or the node is a container. */
export function parseBoot(all: (key: string) => string[]): BootFacts | null {
  const order = ORDERS.find((known) => known === all('boot_order')[0]);
  if (order === undefined) return null;
  const one = (key: string): string | null => all(key)[0] ?? null;
  return {
    loader: one('boot_loader'),
    kernel: one('kernel_default'),
    pin: one('boot_pin'),
    order,
    files: all('boot_file')
      .map((line) => parseFile(line))
      .filter((file) => file !== null),
  };
}

function parseFile(line: string): BootFile | null {
  const [, kind, stateText, bytes, largestOther, path] =
    /^(kernel|initrd|early) (\w+) (\d{1,15}) (\d{1,15}) (.+)$/.exec(line) ?? [];
  const state = STATES.find((known) => known === stateText);
  if (kind === undefined || state === undefined || path === undefined) return null;
  return {
    kind: kind === 'kernel' ? 'kernel' : 'initrd',
    state,
    bytes: Number(bytes),
    largestOther: Number(largestOther),
    path,
  };
}
