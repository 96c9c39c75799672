/** The output of programs of the worker, as it may be shown: without secrets and control characters. */
import { redactSecrets } from '../domain/shared/redact';
import { plainLines, plainText, withoutFullStop } from '../domain/shared/text';

/** Passwords as arguments, as a shell with `set -x` and some tools print their commands. */
const ARGUMENTS: readonly [RegExp, string][] = [
  [/(\s--?(?:pass(?:w(?:or)?d|phrase)?|secret|token|api-?key)[\s=]\s{0,4})\S+/gi, '$1[redacted]'],
  [/(\s(?:-u|--user)[\s=]?\s{0,4}[^\s:]{1,100}:)\S+/g, '$1[redacted]'],
  [/(\bipmi[^\n]{0,300}?\s-[PKk]\s{0,4})\S+/gi, '$1[redacted]'],
];

/** Variables whose values are secrets. */
const SECRET_NAME = /PASS|SECRET|TOKEN|KEY|CREDENTIAL/i;

/** Shorter values occur in ordinary text. */
const MIN_SECRET_LENGTH = 6;

/** The text without secrets, among them the values of secret variables of the program's environment. */
export function cleanErrorOutput(text: string, environment: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(environment)
    .filter(([name, value]) => SECRET_NAME.test(name) && value.length >= MIN_SECRET_LENGTH)
    .map(([, value]) => value);
  const withoutValues = secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), plainLines(text));
  return ARGUMENTS.reduce(
    (rest, [pattern, replacement]) => rest.replace(pattern, replacement),
    redactSecrets(withoutValues),
  );
}

/** The last line that says anything, as a clause of at most 200 characters. */
export function lastLine(text: string): string {
  return withoutFullStop(plainText(text.trim().split('\n').at(-1) ?? '', 200));
}
