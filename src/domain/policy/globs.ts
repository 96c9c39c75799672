/** Globs of a policy. Matching takes time proportional to the lengths of both texts, whatever the pattern. */

/** `*` stands for any characters. Upper and lower case differ. */
export function matchesGlob(glob: string, text: string): boolean {
  return matches(glob, text, () => true);
}

/** Of host names: `*` stands for any characters but dots, `**` for any. Upper and lower case do not differ. */
export function matchesHostGlob(glob: string, host: string): boolean {
  const labels = glob.toLowerCase().replaceAll('**', EVERYTHING);
  return matches(labels, host.toLowerCase(), (char) => char !== '.');
}

/** Stands for `**` within a glob; no host name has it. */
const EVERYTHING = '\u0000';

function matches(glob: string, text: string, isInStar: (char: string) => boolean): boolean {
  // Positions of the glob that the text so far can have reached.
  let reached = skipStars(glob, new Set([0]));
  for (const char of text) {
    const next = new Set<number>();
    for (const at of reached) {
      const one = glob.charAt(at);
      if (one === EVERYTHING || (one === '*' && isInStar(char))) next.add(at);
      else if (one !== '*' && one === char) next.add(at + 1);
    }
    reached = skipStars(glob, next);
  }
  return reached.has(glob.length);
}

/** A star may stand for nothing. */
function skipStars(glob: string, positions: Set<number>): Set<number> {
  for (const at of positions) if (glob.charAt(at) === '*' || glob.charAt(at) === EVERYTHING) positions.add(at + 1);
  return positions;
}
