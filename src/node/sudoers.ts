/**
 * The sudo rule with which a login may run the helper, this very file, and nothing else as root. The verbs stand here a
 * second time on purpose: what an administrator allows must not grow by itself.
 */
import type { HelperScript } from './helper/script';
import { PHASES } from './job/id';

/**
 * `regex` needs sudo 1.9.10 (2022); `wildcard` works since 1.8.7 and leaves the numbers to the helper's own checks;
 * `sudo-rs` and `doas` are for nodes with those in the place of sudo, and leave digest and arguments to them.
 */
export const SUDOERS_FORMS = ['regex', 'wildcard', 'sudo-rs', 'doas'] as const;
export type SudoersForm = (typeof SUDOERS_FORMS)[number];

/**
 * No bounds like {1,12}: sudoers wants the comma escaped, sudo hands the backslash on, and musl then matches nothing. The
 * helper checks the lengths itself.
 */
const TOKEN = '[0-9a-f]{16}';
const NUMBER = '[0-9]+';
const PHASE = `(${PHASES.join('|')})`;
const JOB = `${TOKEN}-${PHASE}-[0-9]+`;

const REGEX_CALLS: readonly string[] = [
  'facts',
  'probe',
  'probe start',
  'pending',
  `^start ${JOB} ${PHASE}$`,
  `^poll ${JOB} ${NUMBER} ${NUMBER} ${NUMBER}$`,
  `^log (last|${TOKEN}) ${NUMBER}$`,
  '^reboot [0-9a-f-]+( [A-Za-z0-9_][A-Za-z0-9_.-]*)?$',
];

const TOKEN_WILDCARD = '[0-9a-f]'.repeat(16);

const WILDCARD_CALLS: readonly string[] = [
  'facts',
  'probe',
  'probe start',
  'pending',
  ...PHASES.map((phase) => `start ${TOKEN_WILDCARD}-${phase}-[0-9]* ${phase}`),
  ...PHASES.map((phase) => `poll ${TOKEN_WILDCARD}-${phase}-[0-9]* [0-9]* [0-9]*`),
  'log last [0-9]*',
  `log ${TOKEN_WILDCARD} [0-9]*`,
  'reboot [0-9a-f]*',
];

export interface SudoersRule {
  /** A whole file for /etc/sudoers.d or /etc/doas.d. */
  text: string;
  /** The rules of two versions live beside each other in files of these names. */
  file: string;
  mode: string;
  /** The oldest sudo that it is for; null when it is for sudo-rs or doas. */
  sudo: string | null;
}

/** The rule for `user`, a checked Linux user name. */
export function sudoersRule(helper: HelperScript, user: string, form: SudoersForm): SudoersRule {
  if (form === 'doas') return doasRule(helper, user);
  return form === 'sudo-rs' ? sudoRsRule(helper, user) : sudoRule(helper, user, form);
}

/** A name that means itself wherever it stands. */
const PLAIN_NAME = /^[a-z_][a-z0-9_.-]*\$?$/;

/** Without quotes a name in capitals is an alias there, and `@` and a backslash have a meaning of their own. */
export function sudoersWord(user: string): string {
  return PLAIN_NAME.test(user) ? user : `"${user}"`;
}

/** A backslash stands for the next character there, also in quotes. */
function doasWord(user: string): string {
  return PLAIN_NAME.test(user) ? user : `"${user.replaceAll('\\', '\\\\')}"`;
}

function doasRule({ digest, path }: HelperScript, user: string): SudoersRule {
  const text = [
    `# ospatch: ${user} may run the node helper as root, and nothing else. doas knows no digests and no patterns: the helper`,
    '# must belong to root, and checks its arguments itself. A doas that does not read /etc/doas.d wants this line in',
    '# /etc/doas.conf. One rule per version of the helper; remove the old one when no worker needs it.',
    `permit nopass ${doasWord(user)} as root cmd ${path}`,
    '',
  ].join('\n');
  return { text, file: `/etc/doas.d/ospatch-${digest.slice(0, 12)}.conf`, mode: '0400', sudo: null };
}

/** What sudo-rs 0.2.5 matches, in quotes where it needs them; later ones match every name. */
const SUDO_RS_NAME = /^[A-Za-z0-9_.\\-]+$/;

function sudoRsRule({ digest, path }: HelperScript, user: string): SudoersRule {
  const short = digest.slice(0, 12);
  const text = [
    `# ospatch: ${user} may run the node helper as root, and nothing else. sudo-rs knows no digests and no patterns: the`,
    '# helper must belong to root, and checks its arguments itself. One file per version of the helper; remove the old one',
    '# when no worker needs it.',
    ...(SUDO_RS_NAME.test(user)
      ? []
      : ['# sudo-rs 0.2.5 (Debian 13) matches no such name: there, write # and its number (id -u) in its place.']),
    `${sudoersWord(user)} ALL=(root) NOPASSWD: ${path}`,
    '',
  ].join('\n');
  return { text, file: `/etc/sudoers.d/ospatch-${short}`, mode: '0440', sudo: null };
}

function sudoRule({ digest, path }: HelperScript, user: string, form: 'regex' | 'wildcard'): SudoersRule {
  const short = digest.slice(0, 12);
  const alias = `OSPATCH_${short.toUpperCase()}`;
  const calls = form === 'regex' ? REGEX_CALLS : WILDCARD_CALLS;
  const commands = calls.map((call) => `  sha256:${digest} ${path} ${call}`);
  const sudo = form === 'regex' ? '1.9.10' : '1.8.7';
  const text = [
    `# ospatch: ${user} may run the node helper as root, this very file with these arguments, and nothing else.`,
    `# Needs sudo ${sudo} or newer. One file per version of the helper; remove the old one when no worker needs it.`,
    `Cmnd_Alias ${alias} = \\`,
    `${commands.join(', \\\n')}`,
    `Defaults:${sudoersWord(user)} !requiretty`,
    `${sudoersWord(user)} ALL=(root) NOPASSWD: NOSETENV: ${alias}`,
    '',
  ].join('\n');
  return { text, file: `/etc/sudoers.d/ospatch-${short}`, mode: '0440', sudo };
}
