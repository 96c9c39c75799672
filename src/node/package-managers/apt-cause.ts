/**
 * Finds the first cause in the output of apt and dpkg (apt 2.2 to 3.3). apt ends with summaries ("Sub-process ...
 * returned an error code"); the cause is above them: in dpkg's lines, in the last output of a maintainer script or
 * hook, in the block of a repository, or indented below a heading.
 */
import type { Cause } from './failure';
import { MAX_REASON_LINES } from './failure';

/** Errors that only summarise earlier output. */
const SUMMARY =
  /^E: (?:Unable to fetch some archives|Some index files failed|Failed to fetch some archives|Sub-process returned an error code|Sub-process \S*dpkg returned|The list of sources could not be read|Unable to lock (?:directory|the )|Unable to acquire the dpkg|The following information from|Failure running script|The package lists or status file could not)/;

const DPKG = /^dpkg: (?:error|unrecoverable|dependency problems prevent)/;
const SCRIPT_FAILED = /script (?:subprocess )?(?:returned error|was killed|failed)/;

/** dpkg then tries the script of the new version, and fails only if that script fails or is missing. */
const OLD_SCRIPT_FAILED = /^dpkg: warning: old (?=.*script (?:subprocess )?(?:returned error|was killed|failed))/;
const NEW_SCRIPT_HELPED = /^dpkg: \.\.\. it looks like that went OK/;
const NEXT_PACKAGE = /^(?:Setting up |Unpacking |Preparing to unpack |Removing |Purging |Selecting previously )/;

/** Progress lines of apt and dpkg, above which the output of a script ends. */
const PROGRESS =
  /^(?:Setting up |Unpacking |Preparing to unpack |Removing |Purging |Processing triggers |Preconfiguring |Selecting previously |\(Reading database|Reading |Building |Calculating |Solving |Correcting |Extracting templates|Get:|Hit:|Ign:|Err:|Fetched |Need to get |After this operation|\d+ upgraded|The following |Errors were encountered|\d+ files? changed|dpkg: |E: |W: |N: |ospatch: )/;

/** Output of debconf about a missing terminal, and disk lines of the helper. */
const NOISE = /^(?:debconf: (?:unable to initialize|falling back|\()|ospatch: disk )/;

export function aptCause(raw: readonly string[]): Cause {
  // With colours, or on request, newer releases print the full word.
  const lines = raw.map((line) => line.replace(/^Error: /, 'E: ').replace(/^Warning: /, 'W: '));
  const atDpkg = lines.findIndex((line) => DPKG.test(line));
  const errors = lines.flatMap((line, at) => (line.startsWith('E: ') ? [at] : []));
  const atError = errors.find((at) => !SUMMARY.test(lines[at] ?? '')) ?? errors[0] ?? -1;
  // Script output may look like an error of apt.
  if (atDpkg !== -1) return dpkgCause(lines, atDpkg);
  if (atError === -1) return { reason: '', text: null };
  return errorCause(lines, atError);
}

function dpkgCause(lines: readonly string[], at: number): Cause {
  const line = lines[at] ?? '';
  const reason = line.startsWith('dpkg: unrecoverable') ? following(lines, at, () => true) : indented(lines, at);
  const words = reason.some((text) => SCRIPT_FAILED.test(text)) ? wordsBefore(lines, at) : [];
  const first = [...oldScript(lines, at), ...words];
  const text = [...first, ...toEnd(lines, at, reason.length)];
  return { reason: [...first, [line, ...reason].join(' ')].join('; '), text: text.join('\n') };
}

/** The failed script of the old version that led to the error at `at`: its output and dpkg's message. */
function oldScript(lines: readonly string[], at: number): string[] {
  for (let index = at - 1; index >= 0; index -= 1) {
    const line = lines[index] ?? '';
    if (NEW_SCRIPT_HELPED.test(line) || NEXT_PACKAGE.test(line)) return [];
    if (OLD_SCRIPT_FAILED.test(line)) return [...wordsBefore(lines, index), line.replace(/^dpkg: warning: /, '')];
  }
  return [];
}

/** Adjacent lines that explain a failed unpacking, such as those of dpkg-deb. */
function toEnd(lines: readonly string[], at: number, count: number): string[] {
  const rest = lines.slice(at + 1 + count, at + 6 + count).filter((line) => /^dpkg-deb: error|^dpkg: error/.test(line));
  return [...lines.slice(at, at + 1 + count), ...rest];
}

function errorCause(lines: readonly string[], at: number): Cause {
  const line = (lines[at] ?? '').replace(/^E: /, '');
  const text = [line];
  let parts = [line];
  if (/^(?:Problem executing scripts|Failure running script|Sub-process )/.test(line)) {
    // The command may be a program; its output is more specific.
    parts = [...hookWords(lines, at), line.length > 160 ? `${line.slice(0, 160)}…` : line];
  } else if (/unmet dependencies|held broken packages|Unable to satisfy dependencies/i.test(line)) {
    const heading = lines.findIndex((other) => other.startsWith('The following packages have unmet dependencies'));
    const reason = heading === -1 ? indented(lines, at) : indented(lines, heading);
    parts = [line, ...reason];
  } else if (/^(?:Failed to fetch|The repository) /.test(line)) {
    parts = [line, ...fetchReason(lines, line)];
  } else if (!line.startsWith('Could not get lock')) {
    parts = [line, ...indented(lines, at)];
  }
  text.push(...parts, ...lines.filter((other) => /^[EW]: /.test(other)));
  return { reason: joined(parts), text: text.join('\n') };
}

/** The output of the method or verifier about a repository: the warning that names it, or the block of its error. */
function fetchReason(lines: readonly string[], line: string): string[] {
  const quoted = /^The repository '(.+?)'/.exec(line)?.[1];
  const uri = quoted ?? /^Failed to fetch (\S+)/.exec(line)?.[1] ?? '';
  const warning = lines.find(
    (other) =>
      other.startsWith('W: ') && /verification|GPG error/.test(other) && quoted !== undefined && other.includes(quoted),
  );
  const block = lines.findIndex(
    (other) => other.startsWith('Err:') && uri.startsWith((other.split(' ')[1] ?? '-').replace(/\/$/, '')),
  );
  const said =
    warning !== undefined && quoted !== undefined
      ? [warning.slice(warning.indexOf(quoted) + quoted.length).replace(/^: /, '')]
      : block === -1
        ? []
        : indented(lines, block);
  const plain = line.replace(/\s+/g, ' ');
  return said.map(verifierWords).filter((text) => !plain.includes(text));
}

/** sqv reports on one long line, with a stack trace at the end. */
function verifierWords(text: string): string {
  return text
    .replace(/^Sub-process \S+ returned an error code \(\d+\), error message is: /, '')
    .replace(/\s*Stack backtrace:.*/, '')
    .replace(/\s{2,}because: /g, ', because ')
    .replace(/\s{2,}/g, ' ')
    .trim();
}

/** Maximum lines to search for the beginning of a hook's output. */
const MAX_HOOK_LINES = 60;

/** A hook first prints its finding and then the consequence. */
function hookWords(lines: readonly string[], at: number): string[] {
  const words = wordsBefore(lines, at, MAX_HOOK_LINES)
    .map((line) => line.replace(/^[\s*=#-]+|[\s*=#-]+$/g, ''))
    .filter((line) => line !== '' && !/\.\.\.(?: ?Done)?$/i.test(line));
  if (words.length <= MAX_REASON_LINES) return words;
  return [...words.slice(0, MAX_REASON_LINES - 1), ...words.slice(-1)];
}

/** The last output before line `at`, without progress lines. */
function wordsBefore(lines: readonly string[], at: number, most = MAX_REASON_LINES): string[] {
  const words: string[] = [];
  for (let index = at - 1; index >= 0 && words.length < most; index -= 1) {
    const line = (lines[index] ?? '').trim();
    const isError = line.startsWith('E: ') && !SUMMARY.test(line);
    if (line === '' || NOISE.test(line) || (words.length === 0 && line.startsWith('Reading package lists'))) continue;
    if (PROGRESS.test(line) && !isError) break;
    words.unshift(line.replace(/^E: /, ''));
  }
  return words;
}

function indented(lines: readonly string[], at: number): string[] {
  return following(lines, at, (line) => line.startsWith(' '));
}

/** Up to three lines after `at` that belong to the error. */
function following(lines: readonly string[], at: number, belongs: (line: string) => boolean): string[] {
  const found: string[] = [];
  for (const line of lines.slice(at + 1, at + 1 + MAX_REASON_LINES)) {
    if (line === '' || /^(?:E: |W: |dpkg|Errors were|ospatch: |\(Reading database)/.test(line) || !belongs(line)) break;
    found.push(line.trim());
  }
  return found;
}

function joined(parts: readonly string[]): string {
  return parts
    .map((part) => part.replace(/[.;]$/, ''))
    .join('; ')
    .replace(/:; /g, ': ');
}
