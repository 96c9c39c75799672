/** Root privileges on a node: none needed for root, else `sudo -n`, or `doas -n` when there is no sudo. */
import { OspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { shellUserName } from '../domain/trust/user-name';
import type { ExecResult } from '../ssh/transport';
import { redactSecrets } from '../domain/shared/redact';
import { sudoersWord } from './sudoers';

/** Sets `p` to the available tool. POSIX shell without a subprocess, single quotes or `!`. */
const CHOOSE = 'if command -v sudo || { p=doas; command -v doas; }; then :; else p=sudo; fi >/dev/null 2>&1';

export interface Privilege {
  /** Shell code to run first; empty for root. Ends in `; `, and contains no single quote. */
  setup: string;
  /** Prefix that runs a command as root; ends in a space. */
  prefix: string;
}

/** The privileges of a login, for POSIX shell scripts. `env LC_ALL=C` because the tools' messages are parsed. */
export function privilegeOf(user: string): Privilege {
  if (user === 'root') return { setup: '', prefix: '' };
  return { setup: `p=sudo; ${CHOOSE}; `, prefix: 'env LC_ALL=C $p -n ' };
}

/** The last line of standard error, without the program name. */
export function sudoReason({ stderr }: ExecResult): string {
  const line = redactSecrets(stderr.toString()).trim().split('\n').at(-1) ?? '';
  return withoutFullStop(plainText(line.replace(/^(?:sudo|sudo-rs|doas|env|sh): (?:\d+: )?(?:exec: )?/, ''), 200));
}

/** The tool that printed the message. */
type Tool = 'sudo' | 'sudo-rs' | 'doas';

function toolOf(said: string): Tool {
  const last = [...said.matchAll(/^(sudo-rs|sudo|doas): /gm)].at(-1)?.[1] as Tool | undefined;
  // sudo-rs calls itself sudo in most messages.
  if (last === 'sudo' && /I'm sorry .*I'm afraid|interactive authentication is required/.test(said)) return 'sudo-rs';
  return last ?? 'sudo';
}

/** The action that was denied. */
export interface Denied {
  node: string;
  user: string;
  /** Path of the helper. */
  path: string;
  doing: 'run' | 'place';
  /** The helper call that was denied after others had been allowed; null when none was allowed. */
  call: string | null;
}

/** Messages of the tools with their remedies. The first match applies. */
const REASONS: readonly [RegExp, (denied: Denied) => { what?: string; remedy: string }][] = [
  [
    /'?sudo'?: (?:No such file|not found)|can't execute 'sudo'/,
    ({ node, user }) => ({
      what: `there is neither sudo nor doas on ${node}, and ${user} is not root`,
      remedy: `install sudo or doas on ${node}, or log in as root (ssh.user)`,
    }),
  ],
  [
    /must have a tty/,
    ({ node, user }) => ({
      remedy: `add \`Defaults:${sudoersWord(user)} !requiretty\` to the sudoers of ${node}; \`ospatch sudoers --user ${shellUserName(user)}\` prints it with the rule`,
    }),
  ],
  [
    /account.*(?:expired|locked)|account validation failure|password.*expired/i,
    ({ node, user }) => ({ remedy: `renew the account ${user} on ${node} (chage -l ${shellUserName(user)} shows it)` }),
  ],
  [
    /doas(?:\.conf)?:.*(?:syntax error|at line \d+)|doas is not enabled/,
    ({ node }) => ({ remedy: `correct /etc/doas.conf on ${node} (\`doas -C /etc/doas.conf\` as root names the line)` }),
  ],
  [
    /syntax error|unable to parse|parse error/,
    ({ node }) => ({ remedy: `correct the sudoers of ${node} (visudo -c names the line)` }),
  ],
];

const PLACING_REMEDY =
  'with a narrow rule set ssh.helper to preinstalled and have an administrator place the helper (`ospatch helper install`); otherwise let the user do everything without a password, or log in as root';

/** How to install the rule that allows the user to run the helper, for the tool in use. */
function ruleRemedy(tool: Tool, { node, user, call }: Denied): string {
  if (tool === 'doas') {
    return `give ${user} the rule that \`ospatch sudoers --user ${shellUserName(user)} --for doas\` prints, of this version of ospatch (docs/node.md), or log in as root`;
  }
  if (tool === 'sudo-rs') {
    return `sudo-rs knows no rule with a digest: give ${user} the one that \`ospatch sudoers --user ${shellUserName(user)} --for sudo-rs\` prints, of this version of ospatch (docs/node.md), or log in as root`;
  }
  if (call !== null) {
    return `replace the rule of ${user} on ${node} with the one that \`ospatch sudoers --user ${shellUserName(user)}\` prints, of this version of ospatch; for a sudo older than 1.9.10 add \`--form wildcard\``;
  }
  return `give ${user} the rule that \`ospatch sudoers --user ${shellUserName(user)}\` prints, of this version of ospatch (docs/node.md), or log in as root`;
}

/** The error when the tool did not run the helper or did not allow its installation. */
export function sudoDenied(denied: Denied, result: ExecResult): OspatchError {
  const { node, user, doing, call } = denied;
  const reason = sudoReason(result) || `it exited with code ${result.code ?? result.signal ?? 'unknown'}`;
  const said = redactSecrets(result.stderr.toString());
  const tool = toolOf(said);
  const known = REASONS.find(([pattern]) => pattern.test(said))?.[1](denied);
  const what =
    call === null
      ? `${tool} refuses to ${doing} the helper on ${node}: ${reason}`
      : `${tool} on ${node} lets ${user} run the helper, but not with \`${call}\`: ${reason}`;
  return new OspatchError({
    type: 'SudoDenied',
    message: known?.what ?? what,
    remedy: known?.remedy ?? (doing === 'place' ? PLACING_REMEDY : ruleRemedy(tool, denied)),
  });
}

/**
 * Calls of a run, in their actual form: every phase that changes something, and the reboot. They have no effect without
 * parameters on standard input, and with a boot id that no node has.
 */
const PROBED_CALLS = [
  'start 0123456789abcdef-plan-100010 plan',
  'start 0123456789abcdef-apply-100010 apply',
  'start 0123456789abcdef-repair-100010 repair',
  'poll 0123456789abcdef-apply-100010 0 65536 0',
  'reboot 01234567-89ab-cdef-0123-456789abcdef',
];

/**
 * Shell code that prints `denied CALL` and the message of the tool for the first call that the user may not make. sudo
 * is asked first (`sudo -l`), since it reports a refused call to the administrator. Its answer is not enough: it does
 * not tell of a password, and doas and some versions of sudo-rs give none. So the calls are made, without effect.
 */
export function checkRightsCommand(user: string, path: string): string {
  const calls = PROBED_CALLS.map((call) => `"${call}"`).join(' ');
  const { setup, prefix } = privilegeOf(user);
  const script = [
    'PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin',
    `export PATH; ${setup}[ -x ${path} ] || exit 0`,
    `for c in ${calls}; do if [ $p = sudo ]; then e=$(${prefix}-l ${path} $c 2>&1 >/dev/null) || [ -n "$e" ] || { echo "denied $c"; sudo -V 2>&1 | head -n 1; exit; }; fi`,
    `a=$(${prefix}${path} $c 2>&1 </dev/null); case $a in "ospatch "*) ;; *) echo "denied $c"; echo "$a"; exit ;; esac`,
    'done',
  ].join('; ');
  return `sh -c '${script}'`;
}

export interface DeniedCall {
  call: string;
  /** What the tool printed, with its name. */
  said: string;
}

/** The denied call in the output of `checkRightsCommand`; null when there is none. */
export function deniedCall({ stdout }: ExecResult): DeniedCall | null {
  const [, asked, said = ''] = /^denied (.*)\n([\s\S]*)$/m.exec(stdout.toString()) ?? [];
  const call = PROBED_CALLS.find((known) => known === asked);
  if (call === undefined) return null;
  const tool = /^(?:Sudo version|sudo-rs) \d/.exec(said)?.[0];
  // sudo has only said no.
  return {
    call,
    said: tool === undefined ? said : `${tool.startsWith('S') ? 'sudo' : 'sudo-rs'}: its rule does not match`,
  };
}
