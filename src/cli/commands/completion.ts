import { Argument } from 'commander';
import type { Command } from 'commander';
import type { CompletedCommand } from '../completion/model';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { print } from '../io/output';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

const EXAMPLES = `
Examples:
  source <(ospatch completion bash)                  # in ~/.bashrc
  source <(ospatch completion zsh)                   # in ~/.zshrc, after compinit
  ospatch completion zsh > "\${fpath[1]}/_ospatch"
  ospatch completion fish > ~/.config/fish/completions/ospatch.fish

The script belongs to this version: print it anew after an upgrade. Names of clusters and nodes are read from the server
that the environment names, and not completed where none answers.`;

export function registerCompletion(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description(
      'print the completion script of a shell: commands, options, their values, files, names of clusters and nodes',
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', EXAMPLES)
    .action((shell: (typeof SHELLS)[number]) =>
      runCommand(context, async () => {
        const { completionModel } = await import('../completion/model.js');
        print(context, await scriptOf(shell, completionModel(program)));
      }),
    );
}

async function scriptOf(shell: (typeof SHELLS)[number], model: CompletedCommand): Promise<string> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.js')).bashCompletion(model);
    case 'zsh':
      return (await import('../completion/zsh.js')).zshCompletion(model);
    case 'fish':
      return (await import('../completion/fish.js')).fishCompletion(model);
  }
}
