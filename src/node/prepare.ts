/** Prepares a node for its first patch, with the rights of an administrator: account, public key, helper and rule. */
import { OspatchError } from '../domain/shared/errors';
import type { NodeTarget } from '../domain/spec/types';
import type { Transport } from '../ssh/transport';
import { plainText } from '../domain/shared/text';
import type { HelperScript } from './helper/script';
import { installHelper } from './install';
import { privilegeOf, sudoDenied } from './privilege';
import { checkRule, findRuleTool } from './rule-tool';
import { sudoersRule } from './sudoers';

const MARK = 'ospatch-prepare:';
const PATH = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH';

export interface Preparation {
  /** The login of the worker. */
  user: string;
  /** Its public key, `TYPE BASE64`; null: the key is there already, or that of an agent. */
  publicKey: string | null;
  helper: HelperScript;
}

/**
 * What was done, as phrases. What is right already stays, and is named as such.
 *
 * @throws OspatchError `SudoDenied`, `HelperMissing`, `DiskFull`, `UnsupportedOs`, `AuthFailed`
 */
export async function prepareNode(
  target: Pick<NodeTarget, 'name' | 'ssh'>,
  transport: Transport,
  { user, publicKey, helper }: Preparation,
): Promise<string[]> {
  const done: string[] = [];
  if (publicKey !== null) done.push(...(await placeKey(target, transport, user, publicKey, helper)));
  if (user === 'root') return done;
  await installHelper(target, transport, helper);
  const { form, name } = await findRuleTool(target.name, transport);
  const rule = sudoersRule(helper, user, form);
  const checked = await checkRule(transport, form, rule.text);
  if (typeof checked === 'object') {
    throw new OspatchError({
      type: 'SudoDenied',
      message: `${name} on ${target.name} does not accept the rule of the helper: ${checked.error}`,
      remedy: `place it by hand: ospatch sudoers --user ${user}`,
    });
  }
  const file = rule.file;
  const write = `d=\${1%/*}; [ -d $d ] || mkdir -m 0750 $d; umask 077; t=$d/.ospatch.tmp; cat >$t && chmod ${rule.mode} $t && mv $t $1 && echo ${MARK}ok`;
  // In the directory of the rules a name with a dot is ignored, so that a part of a rule is never in force.
  await asRoot(target, transport, helper, { script: write, argument: file, stdin: rule.text });
  return [...done, `helper ${helper.path}`, `rule ${file} (${name})`];
}

/** The account of the worker, and its key in the place of authorized_keys that the account itself may write. */
async function placeKey(
  target: Pick<NodeTarget, 'name' | 'ssh'>,
  transport: Transport,
  user: string,
  publicKey: string,
  helper: HelperScript,
): Promise<string[]> {
  const [type = '', blob = ''] = publicKey.split(' ');
  // As the user itself: root would follow its symbolic links.
  const own = [
    'cd && umask 077 && mkdir -p .ssh && touch .ssh/authorized_keys && IFS= read -r k && IFS= read -r b',
    'if grep -qF "$b" .ssh/authorized_keys; then echo has; exit; fi',
    '[ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys',
    'printf "%s\\n" "$k" >>.ssh/authorized_keys && echo added',
  ].join('; ');
  const quoted = own.replace(/[\\"$]/g, '\\$&');
  const script = [
    'IFS= read -r k; IFS= read -r b; u=$1',
    `if ! id -u "$u" >/dev/null 2>&1; then useradd --create-home --shell /bin/sh "$u" && echo ${MARK}account || { echo ${MARK}none; exit; }; fi`,
    `a=$(printf "%s\\n%s\\n" "$k" "$b" | su -s /bin/sh "$u" -c "${quoted}") && echo ${MARK}key-$a && echo ${MARK}ok`,
  ].join('; ');
  const stdin = `${type} ${blob} ospatch\n${blob}\n`;
  const said = await asRoot(target, transport, helper, { script, argument: user, stdin });
  return [
    ...(said.includes(`${MARK}account`) ? [`account ${user}`] : []),
    said.includes(`${MARK}key-has`) ? 'its key is in authorized_keys already' : 'its key in authorized_keys',
  ];
}

/** `script` contains no single quote, and ends its output with the mark of success; `argument` is a plain word. */
async function asRoot(
  { name: node, ssh: { user } }: Pick<NodeTarget, 'name' | 'ssh'>,
  transport: Transport,
  helper: HelperScript,
  { script, argument, stdin }: { script: string; argument: string; stdin: string },
): Promise<string> {
  const { setup, prefix } = privilegeOf(user);
  const whole = `'${PATH}; ${script}'`;
  const word = `'${argument.replaceAll("'", '')}'`;
  const command =
    prefix === ''
      ? `sh -c ${whole} ospatch ${word}`
      : `sh -c '${PATH}; ${setup}exec ${prefix}sh -c "$1" ospatch "$2"' ospatch ${whole} ${word}`;
  const result = await transport.exec(command, { stdin });
  const said = result.stdout.toString();
  if (said.includes(`${MARK}ok`)) return said;
  if (said.includes(`${MARK}none`)) {
    throw new OspatchError({
      type: 'AuthFailed',
      message: `there is no account ${argument} on ${node}, and none could be made: ${plainText(result.stderr.toString(), 200) || 'useradd is missing'}`,
      remedy: `create the account ${argument} on ${node}, then run the command again`,
    });
  }
  if (prefix !== '' && !said.includes(MARK))
    throw sudoDenied({ node, user, path: helper.path, doing: 'place', call: null }, result);
  throw new OspatchError({
    type: 'HelperMissing',
    message: `${node} could not be prepared: ${plainText(result.stderr.toString(), 200) || 'no reason was given'}`,
    remedy: `log in to ${node} as ${user} and see what is wrong with its /etc and the home of ${argument}`,
  });
}
