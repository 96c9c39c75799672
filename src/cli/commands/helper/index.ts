import { Option } from 'commander';
import type { Command } from 'commander';
import { userOption } from '../../options/arguments';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import type { TargetOptions } from './targets';
import { colors, outputOption, print, printJson, printNote } from '../../io/output';
import type { OutputFormat } from '../../io/output';
import { ListOption } from '../../options/repeated';
import { portFrom } from '../../options/port';
import { moreFilesArgument, optionalFileOption, specSources, specsNeedOption } from '../../options/spec-source';
import { asSentence } from '../../../domain/shared/text';
import { defined } from '../../../domain/shared/defined';

const EXAMPLES = `
Examples:
  ospatch helper install -f prod-eu.yaml --user admin
  ospatch helper print --installer | ssh admin@node sudo sh`;

const PRINT_EXAMPLES = `
Examples:
  ospatch helper print > ospatch-node
  ospatch helper print --path
  ospatch helper print --installer | ssh admin@node sudo sh     # installs it; also for configuration management`;

const INSTALL_EXAMPLES = `
Examples:
  ospatch helper install -f prod-eu.yaml --user admin --identity ~/.ssh/id_ed25519
  ospatch helper install -f prod-eu.yaml --node worker-1 --node worker-2 --user root
  ospatch helper install --host 10.0.0.12 --user admin --known-hosts ~/.ssh/known_hosts

For nodes with ssh.helper: preinstalled. It connects from here, not from the worker, and the user must be root or have
full sudo -n rights. With -f, user and key are those of the spec unless given; the key is looked up in OSPATCH_KEY_DIR
(~/.ssh). Host keys are verified as in a run. Each version of ospatch has its own helper; older ones stay.`;

export function registerHelper(program: Command, context: CliContext): void {
  const helper = program
    .command('helper')
    .description('the script that ospatch runs on nodes: print or install it')
    .addHelpText('after', EXAMPLES);
  helper
    .command('print')
    .description('print the helper of this version, or what identifies it')
    .addOption(new Option('--digest', 'its SHA-256 instead').conflicts(['path', 'installer']))
    .addOption(new Option('--path', 'its path on a node instead').conflicts(['digest', 'installer']))
    .addOption(
      new Option('--installer', 'a script that installs it, to be run as root on a node').conflicts(['digest', 'path']),
    )
    .addOption(outputOption())
    .addHelpText('after', PRINT_EXAMPLES)
    .action((options: PrintOptions) => runCommand(context, () => printHelper(context, options)));
  helper
    .command('install')
    .description('install the helper on nodes, with the rights of an administrator')
    .addArgument(moreFilesArgument())
    .addOption(optionalFileOption())
    .addOption(nodesOfSpec())
    .option('--host <host>', 'a single machine instead of a spec')
    .addOption(new Option('--port <port>', 'SSH port of --host').default(22).argParser(portFrom(1)))
    .addOption(userOption('log in as this user, root or with full sudo -n'))
    .option('--identity <file>', 'private key file, or agent (default: of the spec; agent with --host)')
    .option('--known-hosts <file>', 'trusted host keys for --host (default: ~/.ssh/known_hosts)')
    .addOption(outputOption())
    .addHelpText('after', INSTALL_EXAMPLES)
    .action((files: string[], options: InstallOptions, command: Command) =>
      runCommand(context, async () => {
        const file = options.file === undefined ? undefined : await specSources(context, command, files);
        if (file === undefined && files.length > 0) throw specsNeedOption(command, files);
        await install(context, { ...options, ...defined({ file }) });
      }),
    );
}

interface PrintOptions {
  digest?: boolean;
  path?: boolean;
  installer?: boolean;
  output: OutputFormat;
}

type InstallOptions = TargetOptions & { output: OutputFormat };

function nodesOfSpec(): Option {
  return new ListOption('--node <name>', 'only this node of the spec; may be given several times')
    .default([])
    .argParser((name, earlier: string[]) => [...earlier, name]);
}

async function printHelper(context: CliContext, options: PrintOptions): Promise<void> {
  const { HELPER_PROTOCOL, helperScript } = await import('../../../node/helper/script.js');
  const { installerScript } = await import('../../../node/installer.js');
  const helper = helperScript();
  const { digest, path, content } = helper;
  if (options.output === 'json') {
    printJson(context, { digest, path, protocol: HELPER_PROTOCOL, bytes: content.length });
  } else if (options.digest === true) print(context, digest);
  else if (options.path === true) print(context, path);
  else print(context, options.installer === true ? installerScript(helper) : content.toString());
}

async function install(context: CliContext, options: InstallOptions): Promise<void> {
  const { helperTargets } = await import('./targets.js');
  const { installHelpers } = await import('./install.js');
  const { helperScript } = await import('../../../node/helper/script.js');
  const { parsePassphraseCommand } = await import('../../../ssh/builtin/passphrase.js');
  const { nodes, keyDir } = await helperTargets(context, options);
  const { path, digest } = helperScript();
  const passphraseCommand = parsePassphraseCommand(context.env['OSPATCH_PASSPHRASE_COMMAND']);
  const results = await installHelpers(nodes, {
    keyDir,
    ...defined({ passphraseCommand }),
  });
  const failed = results.filter(({ error }) => error !== null);
  if (failed.length > 0) context.setExitCode(1);
  if (options.output === 'json') return printJson(context, { path, digest, nodes: results });
  const color = colors(context, 'stderr');
  for (const { node, error } of results) {
    if (error === null) print(context, `${node}: installed ${path}`);
    else {
      printNote(context, `${color.red('error:')} ${asSentence(error.message)}`);
      if (error.remedy !== undefined) printNote(context, `  ${color.bold('fix:')} ${error.remedy}`);
    }
  }
}
