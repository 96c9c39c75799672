import { Option } from 'commander';
import type { Command } from 'commander';
import { userOption } from '../options/arguments';
import { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { outputOption, print, printJson } from '../io/output';
import type { OutputFormat } from '../io/output';
import type { SudoersForm } from '../../node/sudoers';

const EXAMPLES = `
Examples:
  ospatch sudoers > ospatch && visudo -cf ospatch
  ospatch sudoers --user patcher --form wildcard
  ospatch sudoers --form sudo-rs > ospatch                  # on a node with sudo-rs in the place of sudo
  ospatch sudoers --form doas > /etc/doas.d/ospatch.conf    # on a node without sudo
  ospatch sudoers -o json | jq -r .file      # where it belongs on a node, owned by root with mode 0440

For nodes with ssh.helper: preinstalled. With this rule the user may run the helper of this version as root, this exact
file with these arguments, and nothing else: sudo itself checks the digest (sudo-rs and doas cannot). Helper and rule belong together; place both
before the workers get a new version (ospatch helper install), each version has its own names.`;

export function registerSudoers(program: Command, context: CliContext): void {
  program
    .command('sudoers')
    .description('print the minimal sudo or doas rule for the helper of this version')
    .addOption(userOption('the user that logs in (ssh.user)').default('ospatch'))
    .addOption(
      new Option('--form <form>', 'regex for sudo 1.9.10 and newer, wildcard for older ones, sudo-rs, doas')
        .choices(['regex', 'wildcard', 'sudo-rs', 'doas'])
        .default('regex'),
    )
    .addOption(outputOption())
    .addHelpText('after', EXAMPLES)
    .action(({ user, form, output }: { user: string; form: SudoersForm; output: OutputFormat }) =>
      runCommand(context, async () => {
        const { helperScript } = await import('../../node/helper/script.js');
        const { sudoersRule } = await import('../../node/sudoers.js');
        if (user === 'root') {
          throw new OspatchError({
            type: 'Usage',
            message: '--user: found "root"; root needs no rule',
            remedy: 'name the user that logs in, as in ssh.user',
          });
        }
        const { text, file, mode, sudo } = sudoersRule(helperScript(), user, form);
        if (output === 'json') printJson(context, { file, mode, sudo, rule: text });
        else print(context, text);
      }),
    );
}
