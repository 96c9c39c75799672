/** Becoming root on a node: a root login already is, anybody else goes through `sudo -n`, or `doas -n` without sudo. */
import { OspatchError } from '../domain/shared/errors';
import { plainText, withoutFullStop } from '../domain/shared/text';
import { shellUserName } from '../domain/trust/user-name';
import type { ExecResult } from '../ssh/transport';
import { redactSecrets } from '../domain/shared/redact';
import { sudoersWord } from './sudoers';

/** Sets `p` to the tool that is there. In POSIX shell, without a process of its own, single quotes or `!`. */
const CHOOSE = 'if command -v sudo || { p=doas; command -v doas; }; then :; else p=sudo; fi >/dev/null 2>&1';

export interface Privilege {
  /** Shell that must have run before; empty for root. Ends in `; `, and holds no single quote. */
  setup: string;
  /** What stands before a command so that it runs as root; ends in a blank. */
  prefix: string;
}

/** How a login becomes root, for scripts of a POSIX shell. `env` because the messages of the tools are read. */
export function privilegeOf(user: string): Privilege {
  if (user === 'root') return { setup: '', prefix: '' };
  return { setup: `p=sudo; ${CHOOSE}; `, prefix: 'env LC_ALL=C $p -n ' };
}

/** The last line of standard error, without the name of the program. */
export function sudoReason({ stderr }: ExecResult): string {
  const line = redactSecrets(stderr.toString()).trim().split('\n').at(-1) ?? '';
  return withoutFullStop(plainText(line.replace(/^(?:sudo|sudo-rs|doas|env|sh): (?:\d+: )?(?:exec: )?/, ''), 200));
}

/** The tool that has spoken last. */
type Tool = 'sudo' | 'sudo-rs' | 'doas';

function toolOf(said: string): Tool {
  const last = [...said.matchAll(/^(sudo-rs|sudo|doas): /gm)].at(-1)?.[1] as Tool | undefined;
  // sudo-rs calls itself sudo in most of what it says.
  if (last === 'sudo' && /I'm sorry .*I'm afraid|interactive authentication is required/.test(said)) return 'sudo-rs';
  return last ?? 'sudo';
}

/** What was to be done as root. */
export interface Denied {
  node: string;
  user: string;
  /** Where the helper lies. */
  path: string;
  doing: 'run' | 'place';
  /** The call of the helper that was refused after others had been allowed; null when none was. */
  call: string | null;
}

/** What the tools say, and what a person does about it. The first match counts. */
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

/** The rule that lets the user run the helper, in the words of the tool that is in charge there. */
function ruleRemedy(tool: Tool, { node, user, call }: Denied): string {
  if (tool === 'doas') {
    return `give ${user} the rule that \`ospatch sudoers --user ${shellUserName(user)} --form doas\` prints, of this version of ospatch (docs/node.md), or log in as root`;
  }
  if (tool === 'sudo-rs') {
    return `sudo-rs knows no rule with a digest: give ${user} the one that \`ospatch sudoers --user ${shellUserName(user)} --form sudo-rs\` prints, of this version of ospatch (docs/node.md), or log in as root`;
  }
  if (call !== null) {
    return `replace the rule of ${user} on ${node} with the one that \`ospatch sudoers --user ${shellUserName(user)}\` prints, of this version of ospatch; for a sudo older than 1.9.10 add \`--form wildcard\``;
  }
  return `give ${user} the rule that \`ospatch sudoers --user ${shellUserName(user)}\` prints, of this version of ospatch (docs/node.md), or log in as root`;
}

/** The tool was asked, and did not run the helper or did not let it be placed. */
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

/** What a run asks for, as it looks in a run; every phase that changes something, and the reboot. */
const PROBED_CALLS = [
  'start 0123456789abcdef-plan-100010 plan',
  'start 0123456789abcdef-apply-100010 apply',
  'start 0123456789abcdef-repair-100010 repair',
  'poll 0123456789abcdef-apply-100010 0 65536 20',
  'reboot 01234567-89ab-cdef-0123-456789abcdef',
];

/**
 * Shell that prints `denied CALL` for what the sudo rule does not allow. It says nothing where sudo itself does not say:
 * with doas, with a sudo-rs that cannot be asked, and where a list of rights needs a password.
 */
export function askRightsCommand(user: string, path: string): string {
  const calls = PROBED_CALLS.map((call) => `"${call}"`).join(' ');
  const script = `PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin; export PATH; ${privilegeOf(user).setup}if [ $p = sudo ]; then for c in ${calls}; do e=$(env LC_ALL=C sudo -n -l ${path} $c 2>&1 >/dev/null) || [ -n "$e" ] || echo "denied $c"; done; fi`;
  return `sh -c '${script}'`;
}

/** The first call that the rule does not allow, by the answer to `askRightsCommand`; null when there is none. */
export function deniedCall({ stdout }: ExecResult): string | null {
  const call = /^denied (.*)$/m.exec(stdout.toString())?.[1];
  return PROBED_CALLS.find((asked) => asked === call) ?? null;
}
