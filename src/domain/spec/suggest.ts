/** Other and former names of keys. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['deletelocaldata', 'deleteEmptydirData'],
  ...['hostname', 'ip', 'ipaddress', 'address', 'addr', 'fqdn'].map((word) => [word, 'host'] as const),
  ...['master', 'controller', 'server'].map((word) => [word, 'control-plane'] as const),
  ...['agent', 'node', 'minion', 'slave'].map((word) => [word, 'worker'] as const),
  ...['biweekly', 'fortnightly', 'twoweekly', 'everytwoweeks'].map((word) => [word, 'every-2-weeks'] as const),
  ...['twomonthly', 'everytwomonths'].map((word) => [word, 'every-2-months'] as const),
  ...['key', 'keyfile', 'privatekey', 'identityfile', 'sshkey'].map((word) => [word, 'identity'] as const),
  ...['username', 'login', 'remoteuser'].map((word) => [word, 'user'] as const),
  ...['parallel', 'parallelism', 'forks', 'batchsize', 'serial'].map((word) => [word, 'concurrency'] as const),
  ...['window', 'windows', 'maintenancewindow', 'maintenancewindows'].map((word) => [word, 'schedule'] as const),
  ...['reboot', 'autoreboot', 'allowreboot'].map((word) => [word, 'rebootIfRequired'] as const),
]);

/** The word of ours for a key that other tools have; null when it has none. */
export function ourWord(key: string): string | null {
  return OTHER_NAMES.get(simplify(key)) ?? null;
}

/** Shorter prefixes are too ambiguous. */
const MIN_BEGINNING = 4;

/** The allowed word that was probably meant; null when none is close enough. */
export function suggest(found: string, allowed: readonly string[]): string | null {
  const wanted = simplify(found);
  const known = OTHER_NAMES.get(wanted);
  if (known !== undefined && allowed.includes(known)) return known;
  const begun = wanted.length < MIN_BEGINNING ? [] : allowed.filter((word) => simplify(word).startsWith(wanted));
  if (begun.length === 1) return begun[0] ?? null;
  let best: { word: string; distance: number } | null = null;
  for (const word of allowed) {
    const distance = editDistance(wanted, simplify(word));
    if (best === null || distance < best.distance) best = { word, distance };
  }
  if (best === null) return null;
  // One typo per three letters: "porrt" is "port", but "fortnightly" is not "monthly".
  return best.distance <= Math.max(1, Math.floor(Math.min(wanted.length, best.word.length) / 3)) ? best.word : null;
}

// Another naming convention (self_managed, patch-on-boot) does not count as a typo.
export function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, '').slice(0, 64);
}

/** Levenshtein distance in which swapping two neighbours counts once. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(rows, i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(rows, i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, at(rows, i - 2, j - 2) + 1);
      row.push(cost);
    }
    rows.push(row);
  }
  return at(rows, a.length, b.length);
}

function at(rows: number[][], row: number, column: number): number {
  return rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
}
