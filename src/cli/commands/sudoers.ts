import { Option } from 'commander';
import type { Command } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import { defined } from '../../domain/shared/defined';
import type { NodeTarget } from '../../domain/spec/types';
import type { SudoersForm } from '../../node/sudoers';
import { userOption } from '../options/arguments';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { outputOption, print, printJson, printNote } from '../io/output';
import type { OutputFormat } from '../io/output';
import { ListOption } from '../options/repeated';
import { portFrom } from '../options/port';
import { optionalFileOption, specSources } from '../options/spec-source';
import type { TargetOptions } from './helper/targets';

const EXAMPLES = `
Examples:
  ospatch sudoers > ospatch && visudo -cf ospatch
  ospatch sudoers -f prod-eu.yaml --node worker-1           # for the user of the spec and the tool of that node
  ospatch sudoers --user patcher --form wildcard
  ospatch sudoers --for sudo-rs > ospatch                   # the sudo of Ubuntu 25.10 and newer
  ospatch sudoers --for doas > /etc/doas.d/ospatch.conf     # on a node without sudo
  ospatch sudoers -o json | jq -r .file      # where it belongs on a node, owned by root with mode 0440

For nodes with ssh.helper: preinstalled. With this rule the user may run the helper of this version as root, this exact
file with these arguments, and nothing else: sudo itself checks the digest (sudo-rs and doas cannot). Helper and rule belong together; place both
before the workers get a new version (ospatch helper install), each version has its own names.

With -f or --host the node is asked over SSH for its tool and version, and whether it accepts the rule (visudo -c, doas -C).
That needs a login, but no rights.`;

type SudoersOptions = Omit<TargetOptions, 'user'> & {
  user?: string;
  login?: string;
  for?: 'sudo' | 'sudo-rs' | 'doas';
  form?: 'regex' | 'wildcard';
  output: OutputFormat;
};

export function registerSudoers(program: Command, context: CliContext): void {
  program
    .command('sudoers')
    .description('print the minimal sudo or doas rule for the helper of this version')
    .addOption(userOption('the user that logs in (default: ssh.user of the spec, or ospatch)'))
    .addOption(
      new Option('--for <tool>', 'what makes the user root on the nodes (default: sudo, or what a node has)').choices([
        'sudo',
        'sudo-rs',
        'doas',
      ]),
    )
    .addOption(
      new Option(
        '--form <form>',
        'for sudo: regex for 1.9.10 and newer (the default), wildcard for older ones',
      ).choices(['regex', 'wildcard']),
    )
    .addOption(optionalFileOption())
    .addOption(
      new ListOption('--node <name>', 'only this node of the spec; may be given several times')
        .default([])
        .argParser((name, earlier: string[]) => [...earlier, name]),
    )
    .option('--host <host>', 'ask a single machine instead of a spec')
    .addOption(new Option('--port <port>', 'SSH port of --host').default(22).argParser(portFrom(1)))
    .option('--login <user>', 'log in as this user to ask (default: the user of the rule)')
    .option('--identity <file>', 'private key file, or agent (default: of the spec; agent with --host)')
    .option('--known-hosts <file>', 'trusted host keys for --host (default: ~/.ssh/known_hosts)')
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action((options: SudoersOptions, command: Command) =>
      runCommand(context, async () => {
        const file = options.file === undefined ? undefined : await specSources(context, command, []);
        await printRule(context, { ...options, ...defined({ file }) });
      }),
    );
}

async function printRule(context: CliContext, options: SudoersOptions): Promise<void> {
  const { helperScript } = await import('../../node/helper/script.js');
  const { sudoersRule } = await import('../../node/sudoers.js');
  const { file, host, form } = options;
  if (options.user === 'root') throw usage('--user: found "root"; root needs no rule', 'name the user of ssh.user');
  if (form !== undefined && options.for !== undefined && options.for !== 'sudo') {
    throw usage(`--form: found "${form}" with --for ${options.for}; allowed: only for sudo`, 'leave out --form');
  }
  const asked = file === undefined && host === undefined ? null : await ask(context, options);
  const wanted = form ?? (options.for === 'sudo' ? 'regex' : options.for) ?? asked?.form ?? 'regex';
  const user = options.user ?? asked?.user ?? 'ospatch';
  const rule = sudoersRule(helperScript(), user, wanted);
  if (asked !== null) await asked.check(wanted, rule.text);
  if (options.output === 'json')
    printJson(context, { file: rule.file, mode: rule.mode, sudo: rule.sudo, rule: rule.text });
  else print(context, rule.text);
}

interface Asked {
  user: string;
  form: SudoersForm;
  /** @throws OspatchError when a node does not accept the rule */
  check(form: SudoersForm, rule: string): Promise<void>;
}

/** All nodes must have the same tool, and the same user. */
async function ask(context: CliContext, options: SudoersOptions): Promise<Asked> {
  const { helperTargets } = await import('./helper/targets.js');
  const { onNodes } = await import('./helper/on-nodes.js');
  const { findRuleTool, checkRule } = await import('../../node/rule-tool.js');
  const { parsePassphraseCommand } = await import('../../ssh/builtin/passphrase.js');
  const ruleUser = options.host === undefined ? options.user : (options.user ?? 'ospatch');
  const { nodes, keyDir } = await helperTargets(context, {
    ...options,
    ...defined({ user: options.login ?? ruleUser }),
  });
  const passphraseCommand = parsePassphraseCommand(context.env['OSPATCH_PASSPHRASE_COMMAND']);
  const pool = { keyDir, ...defined({ passphraseCommand }) };
  const found = await onNodes(nodes, pool, (target, transport) => findRuleTool(target.name, transport));
  const tools = found.map(({ node, value, error }) => {
    if (value === null) throw new OspatchError(error ?? { type: 'Internal', message: `${node} was not asked` });
    return { node, ...value };
  });
  const [first] = tools;
  if (first === undefined) throw usage('the spec has no nodes to ask');
  const other = tools.find(({ form }) => form !== first.form);
  if (other !== undefined && options.for === undefined && options.form === undefined) {
    throw usage(
      `the nodes need different rules: ${first.node} has ${first.name}, ${other.node} has ${other.name}`,
      'ask for one at a time with --node, or name the tool with --for and --form',
    );
  }
  const user = options.user ?? (options.login === undefined ? userOf(nodes) : undefined) ?? 'ospatch';
  return {
    user,
    form: first.form,
    check: async (form, rule) => {
      const unused = tools.find((tool) => (tool.form === 'doas') !== (form === 'doas'));
      if (unused !== undefined) {
        throw usage(
          `--for: found "${form === 'doas' ? 'doas' : (options.for ?? 'sudo')}", but ospatch uses ${unused.name} on ${unused.node}`,
          'leave out --for and --form: the node is asked which rule it needs',
        );
      }
      const checked = await onNodes(nodes, pool, (_target, transport) => checkRule(transport, form, rule));
      for (const { node, value, error } of checked) {
        if (error !== null) throw new OspatchError(error);
        if (value === null || typeof value === 'string') continue;
        throw new OspatchError({
          type: 'SudoDenied',
          message: `${tools.find((tool) => tool.node === node)?.name ?? 'sudo'} on ${node} does not accept the rule of the form ${form}: ${value.error}`,
          remedy: 'leave out --for and --form: the node is asked which rule it needs',
        });
      }
      const verdict = checked.every(({ value }) => value === 'accepted')
        ? 'the rule is accepted there'
        : 'the rule was not checked there, because visudo is missing';
      const names = [...new Set(tools.map(({ name }) => name))].join(', ');
      printNote(context, `${nodes.length === 1 ? first.node : `${nodes.length} nodes`}: ${names}; ${verdict}`);
    },
  };
}

function userOf(nodes: readonly NodeTarget[]): string {
  const users = [...new Set(nodes.map(({ ssh }) => ssh.user))];
  const [user = ''] = users;
  if (users.length > 1) {
    throw usage(`the nodes have different users (ssh.user): ${users.join(', ')}`, 'name one with --user');
  }
  if (user === 'root') throw usage('the user of the nodes is root, who needs no rule', 'name another one with --user');
  return user;
}

function usage(message: string, remedy?: string): OspatchError {
  return new OspatchError({ type: 'Usage', message, ...defined({ remedy }) });
}
