/** Removes credentials from external text before it is stored or shown. */

const REDACTED = '[redacted]';

/** A value after `password=` and the like: quoted, or up to the next blank, comma, ampersand or semicolon. */
const VALUE = '("[^"\\n]*"|\'[^\'\\n]*\'|[^\\s&,;"\']+)';

/**
 * Package names may end in such words too: an architecture follows their colon, and their equals sign a version with an
 * epoch or a revision (`passwd=1:4.13`).
 */
const NO_PACKAGE =
  '(?!(?:all|any|native|amd64|arm64|armhf|i386|x86_64|aarch64|noarch|ppc64el|s390x|riscv64)\\b|\\d{1,3}:\\d+\\.\\d|\\d+(?:\\.\\d+)+[a-z0-9.+~]{0,60}-\\d)';

/** Names of fields that hold a secret, as far as their last word. */
const FIELD = [
  'passw(?:or)?d',
  'passphrase',
  'secret(?:[-_]?(?:key|token|value))?',
  '(?:token|macaroon|discharge)',
  '(?:api|access|private|encryption|signing|activation|license|session)[-_]?key',
  'session[-_]?id',
  'signature',
  'credentials?',
  'reg(?:istration)?[-_]?code',
  '\\b_auth',
].join('|');

/** After an option without an equals sign, as in `--password is required`. */
const NO_PROSE = '(?!-|(?:is|was|are|to|or|and|for|must|may|can|cannot|not|on|in|of|with|as|if|when|option|needs?)\\b)';

/** Tokens that show by their form what they are, whatever stands before them. */
const KNOWN_TOKENS = [
  'gh[oprsu]_[A-Za-z0-9]{20,255}',
  'github_pat_[A-Za-z0-9_]{20,255}',
  'gl(?:pat|rt|dt|cbt)-[A-Za-z0-9_-]{20,255}',
  '(?:AKIA|ASIA)[A-Z0-9]{16}',
  'xox[abeoprs]-[A-Za-z0-9-]{10,255}',
  'xapp-[A-Za-z0-9-]{20,255}',
  '[rs]k_live_[A-Za-z0-9]{16,255}',
  'npm_[A-Za-z0-9]{36}',
  'pypi-AgE[A-Za-z0-9_-]{20,255}',
  'AIza[A-Za-z0-9_-]{35}',
  'hv[bs]\\.[A-Za-z0-9_-]{20,255}',
  'eyJ[A-Za-z0-9_-]{10,2000}\\.[A-Za-z0-9_-]{6,4000}(?:\\.[A-Za-z0-9_-]{0,2000})?',
].join('|');

/** Every repetition is bounded or ends at a character outside its class, so hostile text takes linear time. */
const SECRETS: readonly [RegExp, string][] = [
  [
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
    REDACTED,
  ],
  // User and password of a URL, up to the last @, since a password may contain a slash; a number is a port.
  [/:\/\/[^\s/?#:@"<>]{0,200}:(?!\d{1,5}(?:[/?#\s"<>]|$))[^\s"<>]{0,300}@/g, `://${REDACTED}@`],
  // The user part of a URL, up to the last @ before the path.
  [/:\/\/[^\s/?#]*@/g, `://${REDACTED}@`],
  [/\b((?:proxy-)?authorization["']?\s{0,4}[:=]\s{0,4}).*/gi, `$1${REDACTED}`],
  [/\b((?:bearer|basic)\s{1,4})(?=[a-z+/._~-]{0,500}[0-9=])[a-z0-9+/._~=-]{8,}/gi, `$1${REDACTED}`],
  [/\b((?:set-)?cookie["']?\s{0,4}:\s{0,4}["']?)[^\s=;,"']{1,200}=.*/gi, `$1${REDACTED}`],
  // Lines of netrc and of apt's auth.conf.
  [
    /\b((?:machine|login)\s{1,20}\S{1,300}\s{1,20}(?:login\s{1,20}\S{1,300}\s{1,20})?password\s{1,20})\S+/gi,
    `$1${REDACTED}`,
  ],
  [/\b((?:pro|ua|ubuntu-advantage)\s{1,4}attach\s{1,4})(?!-)\S+/g, `$1${REDACTED}`],
  [
    /(\bsshpass\s{1,4}-p\s{0,4}|\s-pass(?:in|out)?\s{1,4}pass:|\s--(?:proxy-)?user[\s=]{1,4}["']?[^\s:"']{1,100}:)\S+/g,
    `$1${REDACTED}`,
  ],
  [new RegExp(`(--[a-z0-9-]{0,40}(?:${FIELD})\\s{1,4})${NO_PROSE}${VALUE}`, 'gi'), `$1${REDACTED}`],
  [new RegExp(`((?:${FIELD})["']?\\s{0,4}[:=]\\s{0,4})${NO_PACKAGE}${VALUE}`, 'gi'), `$1${REDACTED}`],
  [new RegExp(`(?<![A-Za-z0-9_-])(?:${KNOWN_TOKENS})(?![A-Za-z0-9])`, 'g'), REDACTED],
];

/** The text without credentials: URL user parts, authorization headers, private keys, and values of secret fields. */
export function redactSecrets(text: string): string {
  const clean = SECRETS.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text);
  return clean.includes(KEY_END) ? redactCutKeys(clean) : clean;
}

const KEY_END = '-----END ';
const KEY_LINE = /^[A-Za-z0-9+/=]{1,80}$/;

/** Redacts a private key whose beginning was cut off: all lines before its end marker. */
function redactCutKeys(text: string): string {
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith(KEY_END) && line.includes('PRIVATE KEY')) {
      let isCut = false;
      for (; KEY_LINE.test(kept.at(-1) ?? ''); isCut = true) kept.pop();
      if (isCut) kept.push(REDACTED);
    }
    kept.push(line);
  }
  return kept.join('\n');
}
