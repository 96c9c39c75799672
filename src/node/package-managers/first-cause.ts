/** The first cause in the output of dnf, zypper and apk, by the lines with which each of them begins an error. */
import type { Cause } from './failure';
import { MAX_REASON_LINES } from './failure';

export interface CauseRules {
  /** Begins an error. */
  error: RegExp;
  /** Begins an error that only sums up what was said before it. */
  summary: RegExp;
  /** Each says that the script of a package has failed, the worse ones first: its last words stand above. */
  scripts: readonly RegExp[];
  /** What is printed of the progress, above which the words of a script end. */
  progress: RegExp;
  /** Goes on with the error of the line before. */
  continuation: RegExp;
  /** What may stand before the words of an error, such as `Error: `. */
  prefix: RegExp;
}

export function firstCause(lines: readonly string[], rules: CauseRules): Cause {
  const matching = (pattern: RegExp): number[] => lines.flatMap((line, at) => (pattern.test(line) ? [at] : []));
  const atScript = rules.scripts.flatMap((script) => matching(script).slice(0, 1))[0];
  if (atScript !== undefined) {
    const said = (lines[atScript] ?? '').trim();
    const parts = [...wordsBefore(lines, atScript, rules), said, ...scriptOutput(lines, atScript)];
    return {
      reason: joined(parts),
      text: lines
        .slice(atScript)
        .filter((line) => rules.error.test(line))
        .concat(parts)
        .join('\n'),
    };
  }
  const errors = matching(rules.error);
  const at = errors.find((index) => !rules.summary.test(lines[index] ?? '')) ?? errors[0];
  if (at === undefined) return { reason: '', text: null };
  const parts = [(lines[at] ?? '').trim().replace(rules.prefix, ''), ...continued(lines, at, rules)];
  return { reason: joined(parts), text: null };
}

/** dnf 5 shows what a script has printed after its failure. */
function scriptOutput(lines: readonly string[], at: number): string[] {
  if (!lines[at]?.startsWith('>>> ')) return [];
  const rest = lines.slice(at + 1, at + 12);
  const end = rest.findIndex((line) => !line.startsWith('>>> ') || line.startsWith('>>> Running'));
  return (end === -1 ? rest : rest.slice(0, end))
    .map((line) => line.slice('>>> '.length).trim())
    .filter((line) => line !== '' && line !== 'Scriptlet output:')
    .slice(-MAX_REASON_LINES);
}

function continued(lines: readonly string[], at: number, { continuation }: CauseRules): string[] {
  const found: string[] = [];
  for (const line of lines.slice(at + 1, at + 2 + MAX_REASON_LINES)) {
    if (!continuation.test(line) || found.length === MAX_REASON_LINES) break;
    found.push(line.trim().replace(/^[-*|] +/, ''));
  }
  return found;
}

function wordsBefore(lines: readonly string[], at: number, { progress }: CauseRules): string[] {
  const words: string[] = [];
  for (let index = at - 1; index >= 0 && words.length < MAX_REASON_LINES; index -= 1) {
    const line = (lines[index] ?? '').trim();
    if (line === '') continue;
    if (progress.test(line)) break;
    words.unshift(line);
  }
  return words;
}

function joined(parts: readonly string[]): string {
  return parts
    .filter((part) => part !== '')
    .map((part) => part.replace(/^>>> /, '').replace(/[.;]$/, ''))
    .join('; ')
    .replace(/:; /g, ': ');
}
