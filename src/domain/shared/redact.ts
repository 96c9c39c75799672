/** Removes credentials from external text before it is stored or shown. */

const REDACTED = '[redacted]';

/** A value after `password=` and the like: quoted, or up to the next blank, comma, ampersand or semicolon. */
const VALUE = '("[^"\\n]*"|\'[^\'\\n]*\'|[^\\s&,;"\']+)';

/** Package names may end in such words too; their colon is followed by an architecture. */
const NO_ARCH = '(?!(?:all|any|native|amd64|arm64|armhf|i386|x86_64|aarch64|noarch|ppc64el|s390x|riscv64)\\b)';

/** Every repetition is bounded or ends at a character outside its class, so hostile text takes linear time. */
const SECRETS: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, REDACTED],
  // The user part of a URL, up to the last @ before the path.
  [/:\/\/[^\s/?#]*@/g, `://${REDACTED}@`],
  [/\b((?:proxy-)?authorization["']?\s{0,4}[:=]\s{0,4}).*/gi, `$1${REDACTED}`],
  [/\b((?:bearer|basic)\s{1,4})[a-z0-9+/._~=-]{8,}/gi, `$1${REDACTED}`],
  [
    new RegExp(
      `((?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|access[-_]?key|signature|credentials?)["']?\\s{0,4}[:=]\\s{0,4})${NO_ARCH}${VALUE}`,
      'gi',
    ),
    `$1${REDACTED}`,
  ],
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
