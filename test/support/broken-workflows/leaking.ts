/** Workflows that keep something in their module, where all workflows of a worker would see it. */
const SEEN: string[] = [];
const NAMES = new Set<string>();
const COUNTS = { ofNodes: { patched: 0 } };

export function list(): void {
  SEEN.push('w-1');
}

export function set(): void {
  NAMES.add('w-1');
}

export function field(): void {
  COUNTS.ofNodes.patched += 1;
}
