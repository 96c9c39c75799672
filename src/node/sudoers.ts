/**
 * The sudo rule that lets a login run the helper, identified by its digest, and nothing else as root. The verbs are
 * deliberately repeated here: what an administrator allows must not grow by itself.
 */
import type { HelperScript } from './helper/script';
import { PHASES } from './job/id';

/**
 * `regex` needs sudo 1.9.10 (2022); `wildcard` works since 1.8.7 and leaves the validation of numbers to the helper;
 * `sudo-rs` and `doas` are for nodes with those tools, which check neither digest nor arguments.
 */
export const SUDOERS_FORMS = ['regex', 'wildcard', 'sudo-rs', 'doas'] as const;
export type SudoersForm = (typeof SUDOERS_FORMS)[number];

/**
 * No bounds like {1,12}: sudoers requires an escaped comma, sudo passes the backslash on, and musl then matches
 * nothing. The helper validates lengths itself.
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
  /** Content of a file for /etc/sudoers.d or /etc/doas.d. */
  text: string;
  /** File name; rules of several versions coexist in files of their own. */
  file: string;
  mode: string;
  /** The oldest supported sudo; null for sudo-rs and doas. */
  sudo: string | null;
}

/** The rule for `user`, a validated user name. */
export function sudoersRule(helper: HelperScript, user: string, form: SudoersForm): SudoersRule {
  if (form === 'doas') return doasRule(helper, user);
  return form === 'sudo-rs' ? sudoRsRule(helper, user) : sudoRule(helper, user, form);
}

/** A name that needs no quoting. */
const PLAIN_NAME = /^[a-z_][a-z0-9_.-]*\$?$/;

/** Without quotes an upper-case name is an alias in sudoers, and `@` and backslashes are special. */
export function sudoersWord(user: string): string {
  return PLAIN_NAME.test(user) ? user : `"${user}"`;
}

/** In doas.conf a backslash escapes the next character, even in quotes. */
function doasWord(user: string): string {
  return PLAIN_NAME.test(user) ? user : `"${user.replaceAll('\\', '\\\\')}"`;
}

function weaker(tool: string): string[] {
  return [
    `# Weaker than with sudo: ${tool} checks neither the digest of the file nor its arguments. Whoever can change the file or`,
    '# a directory above it becomes root, so all of them must belong to root. The helper itself refuses all arguments but',
    '# those of its own calls.',
  ];
}

function doasRule({ digest, path }: HelperScript, user: string): SudoersRule {
  const text = [
    `# ospatch: ${user} may run the node helper as root, and nothing else.`,
    ...weaker('doas'),
    '# For a doas that does not read /etc/doas.d, put this line into /etc/doas.conf. One rule per version of the helper;',
    '# remove the old one when no worker needs it.',
    `permit nopass ${doasWord(user)} as root cmd ${path}`,
    '',
  ].join('\n');
  return { text, file: `/etc/doas.d/ospatch-${digest.slice(0, 12)}.conf`, mode: '0400', sudo: null };
}

/** Names that sudo-rs 0.2.5 matches, quoted where necessary; later versions match every name. */
const SUDO_RS_NAME = /^[A-Za-z0-9_.\\-]+$/;

function sudoRsRule({ digest, path }: HelperScript, user: string): SudoersRule {
  const short = digest.slice(0, 12);
  const text = [
    `# ospatch: ${user} may run the node helper as root, and nothing else.`,
    ...weaker('sudo-rs'),
    '# One file per version of the helper; remove the old one when no worker needs it.',
    ...(SUDO_RS_NAME.test(user)
      ? []
      : ['# sudo-rs 0.2.5 (Debian 13) does not match this name: use # and the user id (id -u) instead.']),
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
    `# ospatch: ${user} may run the node helper as root, this exact file with these arguments, and nothing else.`,
    '# That is to patch and reboot this machine at any time, and to read the logs of all patches.',
    `# Needs sudo ${sudo} or newer. One file per version of the helper; remove the old one when no worker needs it.`,
    `Cmnd_Alias ${alias} = \\`,
    `${commands.join(', \\\n')}`,
    `Defaults:${sudoersWord(user)} !requiretty`,
    `${sudoersWord(user)} ALL=(root) NOPASSWD: NOSETENV: ${alias}`,
    '',
  ].join('\n');
  return { text, file: `/etc/sudoers.d/ospatch-${short}`, mode: '0440', sudo };
}
