/** Asks a node, without privileges, which tool makes its users root, and whether that tool accepts a rule. */
import { OspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import type { Transport } from '../ssh/transport';
import type { SudoersForm } from './sudoers';

export interface RuleTool {
  form: SudoersForm;
  /** For people: `sudo 1.9.13p3`. */
  name: string;
}

const MARK = 'ospatch-tool:';
const PATH = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin; export PATH';

/** The first sudo with regular expressions in rules. */
const REGEX_SINCE = [1, 9, 10] as const;

const ASK = `sh -c '${PATH}; if command -v sudo >/dev/null; then t=$(sudo -V 2>&1 | head -n 1); elif command -v doas >/dev/null; then t=doas; else t=none; fi; echo "${MARK}$t"'`;

/** @throws OspatchError `SudoDenied` when there is neither sudo nor doas, or any connection error */
export async function findRuleTool(node: string, transport: Transport): Promise<RuleTool> {
  const { stdout } = await transport.exec(ASK, {});
  const said = new RegExp(`^${MARK}(.*)$`, 'm').exec(stdout.toString())?.[1] ?? '';
  const tool = toolFrom(said);
  if (tool !== null) return tool;
  throw new OspatchError({
    type: 'SudoDenied',
    message:
      said === 'none' || said === ''
        ? `there is neither sudo nor doas on ${node}`
        : `the sudo of ${node} calls itself ${plainText(said, 100)}, which is unknown`,
    remedy: 'install sudo or doas there, or name the form of the rule with --for',
  });
}

/** By the first line of `sudo -V`, or `doas`. */
export function toolFrom(said: string): RuleTool | null {
  if (said === 'doas') return { form: 'doas', name: 'doas' };
  const rs = /^sudo-rs (\d[\w.]*)/.exec(said)?.[1];
  if (rs !== undefined) return { form: 'sudo-rs', name: `sudo-rs ${rs}` };
  const [, major, minor, patch, rest = ''] = /^Sudo version (\d+)\.(\d+)\.(\d+)(\w*)/.exec(said) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return null;
  const version = [Number(major), Number(minor), Number(patch)];
  const differs = version.findIndex((part, index) => part !== REGEX_SINCE[index]);
  const isNewer = differs === -1 || (version[differs] ?? 0) > (REGEX_SINCE[differs] ?? 0);
  return { form: isNewer ? 'regex' : 'wildcard', name: `sudo ${version.join('.')}${rest}` };
}

/** Whether the tool on the node accepts the rule; `unchecked` where it has no program for that. */
export async function checkRule(
  transport: Transport,
  form: SudoersForm,
  rule: string,
): Promise<'accepted' | 'unchecked' | { error: string }> {
  // The checker of the sudo in use: that of another one may be installed beside it.
  const checker =
    form === 'doas'
      ? 'v="doas -C"'
      : 'v="visudo -cf"; if command -v visudo-rs && sudo -V 2>&1 | grep "^sudo-rs"; then v="visudo-rs -cf"; fi >/dev/null';
  const check = `${checker}; command -v \${v%% *} >/dev/null || { echo "${MARK}unchecked"; exit; }; cat | $v /dev/stdin 2>&1 && echo "${MARK}ok"`;
  const { stdout, stderr } = await transport.exec(`sh -c '${PATH}; ${check}'`, { stdin: rule });
  if (stdout.toString().includes(`${MARK}ok`)) return 'accepted';
  if (stdout.toString().includes(`${MARK}unchecked`)) return 'unchecked';
  return { error: plainText(`${stdout.toString()}${stderr.toString()}`, 300) || 'no reason was given' };
}
