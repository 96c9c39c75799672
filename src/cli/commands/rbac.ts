import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliContext } from '../io/context';
import { runCommand } from '../io/errors';
import { print } from '../io/output';

const EXAMPLES = `
Examples:
  ospatch rbac | kubectl apply -f -
  ospatch rbac --disable-eviction                # for kubernetes.drain.disableEviction: may delete pods too
  kubectl create token ospatch -n ospatch --duration 720h     # for a kubeconfig of the worker

The rights that draining needs in a cluster with \`kubernetes\` in its spec, and no others: of a node it changes
unschedulable and two annotations of its own, which an admission policy holds it to. docs/kubernetes.md has the
commands that make a kubeconfig with them.`;

/** The manifests in the package, beside the compiled code. */
const DEPLOY = join(__dirname, '..', '..', '..', 'deploy');

export function registerRbac(program: Command, context: CliContext): void {
  program
    .command('rbac')
    .description('print the Kubernetes manifest with the minimal rights for draining')
    .option('--disable-eviction', 'also the right to delete pods, for kubernetes.drain.disableEviction')
    .option('--no-node-policy', 'without the admission policy for nodes, which Kubernetes before 1.30 does not know')
    .addHelpText('after', EXAMPLES)
    .action(({ disableEviction = false, nodePolicy = true }: { disableEviction?: boolean; nodePolicy?: boolean }) =>
      runCommand(context, () => {
        const names = [
          'kubernetes-rbac.yaml',
          ...(disableEviction ? ['kubernetes-rbac-disable-eviction.yaml'] : []),
          ...(nodePolicy ? ['kubernetes-node-policy.yaml'] : []),
        ];
        print(context, names.map((name) => readFileSync(join(DEPLOY, name), 'utf8').trimEnd()).join('\n---\n'));
      }),
    );
}
