/** Why something does not happen: a sentence each, with since when, until when, and what changes it. */
import type { Explanation } from '../../domain/explain/explanation';
import { wrapText } from './columns';
import type { Colors } from './table';
import { formatElapsed, formatTime, oneLine } from './text';

const INDENT = '  ';

export function renderExplanations(
  explanations: readonly Explanation[],
  { now, zone, color }: { now: number; zone: string; color: Colors },
): string {
  const { columns = Infinity } = color;
  return explanations
    .map((one) => {
      const sentence = wrapText(sentenceOf(one, now, zone), columns);
      const changes = one.change.flatMap((change) =>
        wrapText(`${color.bold('change:')} ${oneLine(change, 500)}`, columns - INDENT.length).map(
          (line) => `${INDENT}${line}`,
        ),
      );
      return [...sentence, ...changes].join('\n');
    })
    .join('\n');
}

/** `w-3 is not patched: ann@host has locked it (incident 4711), since 2026-11-29 00:00:05 (2h5m), until ...`. */
function sentenceOf({ what, because, since, until }: Explanation, now: number, zone: string): string {
  const begun = since === null ? '' : `, since ${formatTime(since, zone)} (${formatElapsed(since, now)})`;
  const end = until === null ? '' : `, until ${formatTime(until, zone)}`;
  return `${oneLine(what)}: ${oneLine(because, 700)}${begun}${end}`;
}
