/** Workflows with state at module level, which all workflows of a worker would share. */
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
