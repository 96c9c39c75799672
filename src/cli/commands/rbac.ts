import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../context';
import { runCommand } from '../errors';
import { print } from '../output';

const EXAMPLES = `
Examples:
  ospatch rbac | kubectl apply -f -
  kubectl create token ospatch -n ospatch      # for a kubeconfig of the worker

The rights that draining needs in a cluster with \`kubernetes\` in its spec, and no others.`;

/** In the package, two folders above the compiled commands. */
const MANIFEST = join(__dirname, '..', '..', '..', 'deploy', 'kubernetes-rbac.yaml');

export function registerRbac(program: Command, context: CliContext): void {
  program
    .command('rbac')
    .description('print the Kubernetes manifest with the rights that are just enough for draining')
    .addHelpText('after', EXAMPLES)
    .action(() => runCommand(context, () => print(context, readFileSync(MANIFEST, 'utf8').trimEnd())));
}
