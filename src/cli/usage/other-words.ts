/** Words of other tools, with the command or option that does it here. */

/** What a command line of other tools means here; the first command named in a sentence does it. */
export const OTHER_COMMANDS: Readonly<Record<string, string>> = {
  ...same(
    ['delete', 'del', 'rm', 'destroy', 'uninstall', 'unmanage'],
    '`ospatch remove NAME` stops managing a cluster; its nodes stay as they are',
  ),
  ...same(
    ['describe', 'show', 'inspect', 'info', 'state', 'nodes'],
    '`ospatch status NAME` shows a cluster and its nodes, `ospatch explain NAME` why nothing happens',
  ),
  ...same(['ls', 'ps', 'clusters', 'inventory'], '`ospatch list` lists all clusters'),
  ...same(
    ['run', 'start', 'execute', 'trigger', 'upgrade', 'update', 'install', 'full-upgrade', 'dist-upgrade', 'launch'],
    '`ospatch patch NAME` patches a cluster now; `ospatch apply -f FILE` puts a spec into force',
  ),
  ...same(
    ['create', 'add', 'register', 'set', 'edit', 'replace', 'sync', 'reconcile', 'deploy', 'import', 'configure'],
    '`ospatch apply -f FILE` creates a cluster or changes its spec; `ospatch get NAME` prints the spec in force',
  ),
  ...same(
    ['stop', 'abort', 'kill', 'terminate', 'halt'],
    '`ospatch cancel NAME` ends the run in progress, `ospatch pause NAME` starts no further node',
  ),
  ...same(['suspend', 'freeze', 'disable'], '`ospatch pause NAME` starts no further node until `ospatch resume NAME`'),
  ...same(
    ['continue', 'unpause', 'unfreeze', 'enable', 'approve', 'promote'],
    '`ospatch resume NAME` ends a pause; a suspended run continues',
  ),
  ...same(
    ['rollback', 'undo', 'revert', 'downgrade'],
    'packages are never downgraded; `ospatch history NAME --run N` lists what run N changed on each node',
  ),
  ...same(
    ['rollout', 'deployment'],
    '`ospatch status NAME --watch` follows a run; `ospatch pause NAME`, `ospatch resume NAME` and `ospatch cancel NAME` steer it',
  ),
  ...same(['top', 'watch', 'monitor', 'follow', 'tail'], '`ospatch status NAME --watch` follows a cluster'),
  ...same(
    ['drain', 'cordon'],
    'a run drains each node itself where the spec has `kubernetes`; `ospatch lock NAME NODE` keeps every run from a node',
  ),
  ...same(['hold', 'exclude', 'ignore'], '`ospatch lock NAME NODE` keeps every run from a node'),
  ...same(['unhold', 'include'], '`ospatch unlock NAME NODE` lets runs patch a locked node again'),
  ...same(
    ['reboot', 'restart'],
    'a run reboots a node that needs it when the spec says `patching.rebootIfRequired: true`; `ospatch patch NAME --nodes NODE` patches one node',
  ),
  ...same(
    ['config', 'context', 'use-context', 'login', 'auth', 'profile', 'env'],
    'the server is that of the `temporal` CLI: --address, --profile or TEMPORAL_ADDRESS; `ospatch doctor` says which one is used',
  ),
  ...same(
    ['lint', 'verify', 'check-spec', 'test', 'vet'],
    '`ospatch validate -f FILE` checks a spec, `ospatch check NAME` the nodes',
  ),
  ...same(
    ['preview', 'dry-run', 'simulate', 'what-if'],
    '`ospatch diff -f FILE` shows what apply would change, `ospatch plan NAME` what the next run would do',
  ),
  ...same(['ping', 'health', 'diagnose', 'debug', 'troubleshoot'], '`ospatch doctor` names what would stop a run'),
  ...same(['why', 'reason'], '`ospatch explain NAME` says why a cluster or a node is not being patched'),
  ...same(['log'], '`ospatch logs NAME NODE` prints the log of a node, `ospatch events NAME` what happened'),
  ...same(['who'], '`ospatch events NAME` shows what happened, and who did it'),
  ...same(
    ['scan', 'keyscan', 'ssh-keyscan', 'trust'],
    '`ospatch enroll -f FILE` reads host keys and adds them to known_hosts',
  ),
  ...same(['schedule', 'windows', 'cron', 'when'], '`ospatch calendar NAME` shows the maintenance windows'),
  ...same(
    ['scale', 'parallel'],
    '`ospatch set-concurrency NAME N` changes how many nodes are patched at the same time',
  ),
  ...same(['restore', 'repair'], '`ospatch recover NAME` restarts a cluster that is stuck or whose workflow was ended'),
  ...same(['export', 'dump'], '`ospatch get NAME` prints the spec in force, `ospatch backup DIR` keeps all states'),
  ...same(
    ['server', 'serve', 'up'],
    '`ospatch dev` runs Temporal and a worker for trying out, `ospatch worker` a worker',
  ),
  ...same(['agent', 'daemon'], '`ospatch worker` runs a worker; nothing is resident on the nodes'),
  ...same(
    ['new', 'generate', 'template'],
    '`ospatch init` writes a first spec; docs/spec.md explains its fields, and `ospatch schema` prints its JSON Schema',
  ),
  ...same(['man', 'docs', 'usage'], '`ospatch --help` lists all commands'),
};

/** What an option of other tools means here: the sentence, and the option that a command must have for it to be true. */
interface OptionHint {
  needs?: string;
  hint: string;
}

/** In order: the first hint whose option the command has. */
export const OTHER_OPTIONS: Readonly<Record<string, readonly OptionHint[]>> = {
  ...same(
    ['--filename', '--spec', '--config', '--from-file', '--inventory', '-i'],
    [{ needs: '--file', hint: 'specs are given with -f FILE' }],
  ),
  ...same(
    ['-R', '--recursive'],
    [{ needs: '--file', hint: 'directories below a directory are not searched; name each with -f' }],
  ),
  ...same(
    ['-y', '--assume-yes', '--auto-approve', '--force', '--no-confirm', '--non-interactive'],
    [{ needs: '--yes', hint: '--yes answers the question' }],
  ),
  ...same(
    ['--node', '--limit', '--hosts', '--host', '--target', '--only'],
    [{ needs: '--nodes', hint: '--nodes a,b names nodes, -l their labels' }],
  ),
  ...same(
    ['--labels', '--label', '--label-selector', '--tags'],
    [{ needs: '--selector', hint: '-l zone=a chooses nodes by their labels' }],
  ),
  ...same(
    ['--parallel', '--parallelism', '--forks', '--serial', '--batch', '--batch-size', '-p', '--max-parallel'],
    [
      {
        needs: '--concurrency',
        hint: '--concurrency N, for one run; patching.rollout.concurrency in the spec for all',
      },
      { hint: 'patching.rollout.concurrency in the spec, or `ospatch set-concurrency NAME N` during a run' },
    ],
  ),
  ...same(
    ['--reboot', '--no-reboot', '--allow-reboot', '--skip-reboot'],
    [{ hint: 'patching.rebootIfRequired in the spec decides whether nodes are rebooted' }],
  ),
  ...same(
    ['-m', '--message', '--comment', '--note', '--why'],
    [{ needs: '--reason', hint: '--reason "TEXT" is kept in the history' }],
  ),
  ...same(
    ['--dry-run', '--dryrun', '--check', '--diff', '--noop', '--preview', '--simulate', '--what-if'],
    [
      { needs: '--dry-run', hint: '--dry-run shows what would change without changing anything' },
      { needs: '--nodes', hint: '`ospatch plan NAME` shows what a run would do' },
    ],
  ),
  ...same(
    ['-w', '--watch', '--follow', '-f'],
    [
      { needs: '--watch', hint: '--watch refreshes the display' },
      { needs: '--follow', hint: '--follow goes on with what is new' },
      { needs: '--wait', hint: '--wait follows it to its end' },
    ],
  ),
  ...same(
    ['--json', '--yaml', '--format', '--out', '-j'],
    [{ needs: '--output', hint: '-o chooses the format, e.g. -o json' }],
  ),
  ...same(
    ['-n', '--ns', '--all-namespaces'],
    [{ hint: '--namespace NAME is the Temporal namespace; a cluster is named without an option' }],
  ),
  ...same(
    ['--cluster', '--name', '--cluster-name', '-c'],
    [{ hint: 'a cluster is named without an option, e.g. ospatch status prod-eu' }],
  ),
  ...same(
    ['--server', '--endpoint', '--temporal-address', '--host-port', '--url'],
    [{ hint: '--address HOST:PORT is the Temporal server' }],
  ),
  ...same(
    ['--context', '--kubeconfig', '--env'],
    [{ hint: '--profile NAME is a profile in the configuration file of the `temporal` CLI' }],
  ),
  ...same(
    ['--request-timeout', '--deadline-seconds'],
    [{ hint: '--timeout DURATION is the deadline of each call to the server' }],
  ),
  ...same(
    ['-v', '--verbose', '--debug', '--log-level'],
    [
      { needs: '--version', hint: '`ospatch version` shows the versions' },
      { hint: '`ospatch doctor` and `ospatch explain NAME` say what is wrong; OSPATCH_LOG_LEVEL is for workers' },
    ],
  ),
  ...same(['-q', '--quiet', '--silent'], [{ hint: 'the exit code says how a command ended; 2>/dev/null drops notes' }]),
};

function same<T>(words: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(words.map((word) => [word, value]));
}
