/** Finds the first cause in the output of dnf, zypper and apk, by the patterns with which their errors start. */
import type { Cause } from './failure';
import { MAX_REASON_LINES } from './failure';

export interface CauseRules {
  /** Start of an error. */
  error: RegExp;
  /** Start of an error that only summarises earlier output. */
  summary: RegExp;
  /** Failed scriptlets, worst first; the output of the script is above the line. */
  scripts: readonly RegExp[];
  /** Progress lines, above which the output of a script ends. */
  progress: RegExp;
  /** Continues the error of the previous line. */
  continuation: RegExp;
  /** Prefix of an error message, such as `Error: `. */
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

/** dnf 5 prints the output of a scriptlet after its failure. */
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
