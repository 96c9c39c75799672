/**
 * The sudo rule with which a login may run the helper, this very file, and nothing else as root. The verbs stand here a
 * second time on purpose: what an administrator allows must not grow by itself.
 */
import type { HelperScript } from './helper/script';
import { PHASES } from './job-id';

/** `regex` needs sudo 1.9.10 (2022); `wildcard` works since 1.8.7 and leaves the numbers to the helper's own checks. */
export type SudoersForm = 'regex' | 'wildcard';

const TOKEN = '[0-9a-f]{16}';
const NUMBER = '[0-9]{1,12}';
const PHASE = `(${PHASES.join('|')})`;
const JOB = `${TOKEN}-${PHASE}-[0-9]{1,6}`;

const REGEX_CALLS: readonly string[] = [
  'facts',
  'probe',
  'probe start',
  'pending',
  'gc',
  `^start ${JOB} ${PHASE}$`,
  `^poll ${JOB} ${NUMBER} ${NUMBER} ${NUMBER}$`,
  `^log (last|${TOKEN}) ${NUMBER}$`,
  '^reboot [0-9a-f-]{8,64}( [A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$',
];

const TOKEN_WILDCARD = '[0-9a-f]'.repeat(16);

const WILDCARD_CALLS: readonly string[] = [
  'facts',
  'probe',
  'probe start',
  'pending',
  'gc',
  ...PHASES.map((phase) => `start ${TOKEN_WILDCARD}-${phase}-[0-9]* ${phase}`),
  ...PHASES.map((phase) => `poll ${TOKEN_WILDCARD}-${phase}-[0-9]* [0-9]* [0-9]*`),
  'log last [0-9]*',
  `log ${TOKEN_WILDCARD} [0-9]*`,
  'reboot [0-9a-f]*',
];

export interface SudoersRule {
  /** A whole file for /etc/sudoers.d. */
  text: string;
  /** The rules of two versions live beside each other in files of these names. */
  file: string;
  sudo: string;
}

/** The rule for `user`, a checked Linux user name. */
export function sudoersRule({ digest, path }: HelperScript, user: string, form: SudoersForm): SudoersRule {
  const short = digest.slice(0, 12);
  const alias = `OSPATCH_${short.toUpperCase()}`;
  const calls = form === 'regex' ? REGEX_CALLS : WILDCARD_CALLS;
  const commands = calls.map((call) => `  sha256:${digest} ${path} ${call.replaceAll(',', '\\,')}`);
  const sudo = form === 'regex' ? '1.9.10' : '1.8.7';
  const text = [
    `# ospatch: ${user} may run the node helper as root, this very file with these arguments, and nothing else.`,
    `# Needs sudo ${sudo} or newer. One file per version of the helper; remove the old one when no worker needs it.`,
    `Cmnd_Alias ${alias} = \\`,
    `${commands.join(', \\\n')}`,
    `Defaults:${user} !requiretty`,
    `${user} ALL=(root) NOPASSWD: NOSETENV: ${alias}`,
    '',
  ].join('\n');
  return { text, file: `/etc/sudoers.d/ospatch-${short}`, sudo };
}
