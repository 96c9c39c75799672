import { Option } from 'commander';
import type { Command } from 'commander';
import type { CliContext } from '../../io/context';
import { runCommand } from '../../io/errors';
import { ListOption } from '../../options/repeated';
import type { InitOptions } from './options';

const EXAMPLES = `
Examples:
  ospatch init
  ospatch init --cluster prod-eu --node w-1=ospatch@10.0.0.12 --node w-2=ospatch@10.0.0.13 --admin root --expect fingerprints.txt
  ospatch init --cluster home --node root@pi.lan --address localhost:7233 --yes

Asks for what is not given: Temporal (tested at once), nodes, schedule, reboots, and your own login on the nodes, with which
the key, the helper and the sudo rule are placed there. Then all files are written together: the spec with its known_hosts in
the working directory (--dir), and the key, the policy and the settings of the worker in its own directory (~/.config/ospatch,
as root /etc/ospatch). What exists and is right is kept; what differs is shown first. At the end the nodes are inspected.
Without a terminal, or with --yes, nothing is asked: --cluster, --node and --expect or --yes are needed.`;

export function registerInit(program: Command, context: CliContext): void {
  program
    .command('init')
    .description('set up a first cluster: connection, key, spec, policy and nodes, asking for what is not given')
    .option('--cluster <name>', 'name of the cluster')
    .addOption(
      new ListOption('--node <machine>', 'a node as [NAME=][USER@]HOST[:PORT]; may be given several times')
        .default([])
        .argParser((one, earlier: string[]) => [...earlier, one]),
    )
    .option('--jump <machine>', 'jump host of all nodes, as [USER@]HOST[:PORT]')
    .option(
      '--identity <name>',
      'key of the worker: a file in its key directory, made if missing, or agent (default: id_ed25519)',
    )
    .option('--schedule <name>', 'weekly, every-2-weeks, monthly, every-2-months or none (default: weekly)')
    .option('--time-zone <zone>', 'time zone of the schedule (default: of this machine)')
    .option('--reboot', 'allow reboots that an update requires')
    .option('--admin <user>', 'prepare the nodes, logged in as root or a user with full sudo -n')
    .option('--admin-identity <file>', 'private key for --admin (default: agent)')
    .option('--expect <file>', 'fingerprints of the host keys, as for enroll; - for standard input')
    .option('--dir <directory>', 'where the spec and known_hosts are (default: the working directory)')
    .option(
      '--config-dir <directory>',
      'where key, policy and settings of the worker are (default: ~/.config/ospatch, as root /etc/ospatch)',
    )
    .option('--tls', 'Temporal has TLS')
    .option('--tls-ca <file>', "certificate of the authority of Temporal's certificate")
    .option('--tls-cert <file>', 'client certificate for Temporal')
    .option('--tls-key <file>', 'private key of the client certificate')
    .addOption(new Option('--api-key-file <file>', 'file with the API key for Temporal'))
    .option('--force', 'replace files that differ')
    .option('--yes', 'ask nothing; without --expect, whoever answers at the addresses now is trusted blindly')
    .addHelpText('after', EXAMPLES)
    .action((options: InitOptions, command: Command) =>
      runCommand(context, async () => {
        const { init } = await import('./init.js');
        await init(context, command, options);
      }),
    );
}
