/** What people type and write by mistake. What each is answered with is in `goldens/`, to be read as a user sees it. */
import { checkRequest } from '../../../src/domain/cluster/requests';
import { newClusterState } from '../../../src/domain/cluster/state';
import { clusterSpec } from '../../support/builders';
import { KEY } from '../../domain/spec/spec-document';

export interface Mistake {
  /** The command line without `ospatch`. */
  args: string[];
  /** Files by name. `spec.yaml` is named in `args` as `-f spec.yaml`. */
  files?: Record<string, string | Buffer>;
  env?: Record<string, string>;
  /** What the cluster rejects, instead of a server that does not answer. */
  rejected?: string;
}

const SPEC = `apiVersion: ospatch/v1
name: prod-eu
patching:
  rebootIfRequired: true
  schedule: weekly
ssh:
  user: root
nodes:
  - name: w-1
    host: 10.0.0.12
    hostKeys: ["${KEY}"]
`;

/** A spec in which `from` is `to`; the mistake of `validate -f spec.yaml`. */
function spec(from: string, to: string): Mistake {
  if (!SPEC.includes(from)) throw new Error(`the spec has no ${from}`);
  return file(SPEC.replace(from, to));
}

function file(text: string | Buffer): Mistake {
  return { args: ['validate', '-f', 'spec.yaml'], files: { 'spec.yaml': text } };
}

function line(text: string, more: Omit<Mistake, 'args'> = {}): Mistake {
  return { args: text.split(' '), ...more };
}

const NOW = '2026-11-23T12:00:00.000Z';
const CLUSTER = newClusterState(clusterSpec(), null, NOW);

const VALID = { files: { 'spec.yaml': SPEC } };

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  // Commands of other tools, and typing mistakes.
  'kubectl: delete': line('delete prod-eu'),
  'kubectl: describe': line('describe prod-eu'),
  'kubectl: rollout': line('rollout undo prod-eu'),
  'kubectl: drain': line('drain prod-eu w-1'),
  'kubectl: top': line('top prod-eu'),
  'kubectl: config': line('config use-context prod'),
  'docker: ps': line('ps'),
  'apt: upgrade': line('upgrade prod-eu'),
  'run instead of patch': line('run prod-eu'),
  'rollback of packages': line('rollback prod-eu'),
  'a typing mistake in a command': line('statsu prod-eu'),
  'a typing mistake in a command below': line('helper instal'),
  'a command that nobody has': line('frobnicate'),

  // Arguments.
  'no cluster': line('patch'),
  'nodes as arguments': line('patch prod-eu w-1 w-2'),
  'two clusters': line('status prod-eu prod-us'),
  'no node': line('logs prod-eu'),
  'a name with capitals': line('status Prod_EU'),
  'a host name as cluster': line('status web-1.example.com'),
  'a node with blanks': { args: ['logs', 'prod-eu', 'worker 1'] },

  // Specs on the command line.
  'no -f': line('apply'),
  'a file without -f': line('apply prod-eu.yaml'),
  'files without -f': line('plan a.yaml b.yaml'),
  'a cluster where specs are expected': line('validate -f spec.yaml prod-eu', VALID),
  'a file that does not exist': line('apply -f prod-eu.yml'),
  'one of several files does not exist': line('validate -f spec.yaml other.yaml', VALID),
  'a directory without specs': line('validate -f specs', { files: { 'specs/README.md': '' } }),
  'an empty variable as file': { args: ['apply', '-f', ''] },
  'a name and a file': line('calendar prod-eu -f spec.yaml', VALID),

  // Options.
  'a reason that is required': line('lock prod-eu w-1'),
  'kubectl: --filename': line('apply --filename spec.yaml', VALID),
  'kubectl: -R': line('validate -f specs -R'),
  'kubectl: --force': line('remove prod-eu --force'),
  'kubectl: -n': line('status -n kube-system prod-eu'),
  'kubectl: --context': line('status prod-eu --context prod'),
  'terraform: --auto-approve': line('remove prod-eu --auto-approve'),
  'ansible: --limit': line('patch prod-eu --limit w-1'),
  'ansible: --forks': line('patch prod-eu --forks 5'),
  'ansible: --check': line('patch prod-eu --check'),
  '-v for the version': line('-v'),
  '-v for more output': line('patch prod-eu -v'),
  '--reboot': line('patch prod-eu --reboot'),
  '--json': line('status prod-eu --json'),
  'a typing mistake in an option': line('patch prod-eu --raeson test'),
  'an option twice': line('history prod-eu --run 1 --run 2'),
  'an option without its value': line('patch prod-eu --reason'),
  'options that exclude each other': line('apply -f spec.yaml --dry-run --wait', VALID),
  '--prune without a scope': line('apply -f spec.yaml --prune', VALID),
  '--prune and --prune-all': line('apply -f spec.yaml --prune prod- --prune-all', VALID),
  '--prune without a terminal': line('apply -f spec.yaml --prune prod-', VALID),

  // Values of options.
  'no windows': line('next -f spec.yaml --count 0', VALID),
  'a time in words': line('next -f spec.yaml --after tomorrow', VALID),
  'February 30': line('next -f spec.yaml --after 2027-02-30', VALID),
  'a moment on February 30': line('lock prod-eu w-1 --reason test --until 2027-02-30T00:00:00Z'),
  'a moment without a zone': line('lock prod-eu w-1 --reason test --until 2027-01-31T18:00'),
  'a moment in words': line('events prod-eu --since yesterday'),
  'a format of kubectl': line('validate -f spec.yaml -o custom-columns', VALID),
  'a duration without a unit': line('--timeout 5 status prod-eu'),
  'a name of a node that cannot be': line('patch prod-eu --nodes W_1!'),
  'more than all nodes': line('patch prod-eu --concurrency 150%'),
  'no reason': { args: ['pause', 'prod-eu', '--reason', ''] },
  'a run in words': line('history prod-eu --run last'),
  'a privileged port': line('dev --port 80'),
  'a port in words': line('helper install --host 10.0.0.12 --user root --port ssh'),
  'a shell that is not known': line('completion csh'),
  'a node that the spec does not have': line('helper install -f spec.yaml --node w-2', VALID),
  'a field that does not exist': line('explain patching.rolout'),
  'a field at another place': line('explain --field schedule'),

  // Requests that a cluster rejects.
  'a node that the cluster does not have': line('patch prod-eu --nodes w-9', {
    rejected: checkRequest(CLUSTER, 'patchNow', { nodes: ['w-9'] }, NOW) ?? '',
  }),
  'labels that no node has': line('patch prod-eu -l zone=z', {
    rejected: checkRequest(CLUSTER, 'patchNow', { selector: 'zone=z' }, NOW) ?? '',
  }),
  'nothing to cancel': line('cancel prod-eu', { rejected: checkRequest(CLUSTER, 'cancelRun', {}, NOW) ?? '' }),

  // Servers.
  'an address with http://': line('status prod-eu --address http://localhost:7233'),
  'a port that cannot be': line('status prod-eu --address localhost:99999'),
  'nothing listens': line('status prod-eu --address 127.0.0.1:1'),
  'a configuration file that does not exist': line('list', { env: { TEMPORAL_CONFIG_FILE: '/none/temporal.toml' } }),
  'a profile that does not exist': line('list --profile prod', {
    env: { TEMPORAL_CONFIG_FILE: 'temporal.toml' },
    files: { 'temporal.toml': '[profile.staging]\naddress = "h:1"\n' },
  }),
  'a key that a profile does not have': line('list', {
    env: { TEMPORAL_CONFIG_FILE: 'temporal.toml' },
    files: { 'temporal.toml': '[profile.default]\nadress = "h:1"\n' },
  }),
  'no encryption keys': line('list', { env: { OSPATCH_ENCRYPTION_KEYS: '/none/keys' } }),

  'a codec server for everybody': line('codec-server --listen 0.0.0.0'),
  'a certificate without its key': line('codec-server --tls-cert server.pem'),
  'a token that others can read': line('codec-server --token-file token', { files: { token: 'secret\n' } }),

  // Files.
  'an empty file': file(''),
  'a list': file('- a\n- b\n'),
  'a manifest of Kubernetes': file('apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n'),
  'an inventory of Ansible': file('all:\n  hosts:\n    w-1:\n      ansible_host: 10.0.0.12\n'),
  'a file that is no text': file(Buffer.from([0xff, 0xfe, 0x00])),
  'a tab': file(SPEC.replace('  schedule', '\tschedule')),
  'an unclosed quote': spec('schedule: weekly', 'schedule: "weekly'),
  'a key twice': spec('  schedule: weekly', '  schedule: weekly\n  schedule: monthly'),
  'line ends of Windows': file(SPEC.replace('weekly', 'wekly').replaceAll('\n', '\r\n')),
  'a template that was not filled in': spec('user: root', 'user: {{ user }}'),
  'a merge key': file(`defaults: &d\n  user: root\n${SPEC.replace('user: root', '<<: *d')}`),
  'two clusters of one name': file(`${SPEC}---\n${SPEC}`),

  // Words of other tools in a spec.
  'a schedule as cron text': spec('weekly', '"0 2 * * *"'),
  'a schedule at the top': spec('ssh:', 'schedule: monthly\nssh:'),
  'a schedule that does not exist': spec('weekly', 'fortnightly'),
  'a port in the host': spec('10.0.0.12', '10.0.0.12:22'),
  'a user in the host': spec('10.0.0.12', 'root@10.0.0.12'),
  'a password in the host': spec('10.0.0.12', 'root:hunter2@10.0.0.12'),
  'a role of older clusters': spec('host: 10.0.0.12', 'host: 10.0.0.12\n    role: master'),
  hostname: spec('host: 10.0.0.12', 'hostname: 10.0.0.12'),
  'a private key in the spec': spec('user: root', 'user: root\n  identity: "-----BEGIN OPENSSH PRIVATE KEY-----"'),
  'a path as identity': spec('user: root', 'user: root\n  identity: ~/.ssh/id_ed25519'),
  'a boolean of YAML 1.1': spec('rebootIfRequired: true', 'rebootIfRequired: yes'),
  'a time limit without a unit': spec('schedule: weekly', 'unreachableTimeout: 10'),
  'a time zone that does not exist': spec('schedule: weekly', 'timeZone: Europe/Berln'),
  'February 30 in a schedule': spec('weekly', '{custom: {month: 2, day: 30, hour: 2, minute: 0}}'),
  'six fields of cron': spec('weekly', '{cron: "0 0 2 * * *"}'),
  'a cutoff without a duration': spec('weekly', '{preset: weekly, cutoff: 30m}'),
  'no node at the same time': spec('schedule: weekly', 'rollout: {concurrency: 0}'),
  'two settings that mean the same': spec('schedule: weekly', 'rollout: {onFailure: stop, maxFailures: 2}'),
  'a port as text': spec('user: root', 'user: root\n  port: "22"'),
  'no user': spec('ssh:\n  user: root\n', ''),
  'nodes as a mapping': file(SPEC.replace(/nodes:[\s\S]*/, 'nodes:\n  w-1: 10.0.0.12\n')),
  'a node twice': spec('  - name: w-1', `  - {name: w-1, host: 10.0.0.13, hostKeys: ["${KEY}"]}\n  - name: w-1`),
  'host keys that are missing': file(
    SPEC.replace(/nodes:[\s\S]*/, 'nodes:\n  - {name: w-1}\n  - {name: w-2}\n  - {name: w-3}\n'),
  ),
  'a number as name': spec('name: prod-eu', 'name: 123'),
  'a type that does not exist': spec('name: prod-eu', 'name: prod-eu\ntype: eks-managed'),
  'an EKS cluster with nodes': spec('name: prod-eu', 'name: prod-eu\ntype: eks'),
  'once, in the past': { ...spec('weekly', '{once: "2020-01-01T02:30"}'), args: ['plan', '-f', 'spec.yaml'] },
};
