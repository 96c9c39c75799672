/**
 * The schema of a policy document. Each error text says what is allowed; the `describe` texts appear in the JSON Schema and
 * the reference page.
 */
import { z } from 'zod';
import { KUBECONFIG_NAME } from '../kubernetes/types';
import { show } from '../spec/issues';
import { isHost } from '../trust/hosts';
import { parseAddress, parseNetwork } from './addresses';
import { DEFAULT_CHAIN, POLICY_VERSION, VERIFIABLE_VERBS } from './types';

/** A policy is read at every change, and searched at every activity. */
const MAX_RULES = 500;
const MAX_ENTRIES = 2_000;

const STAR = '* stands for any characters';

function text(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

function list<T extends z.ZodType>(entry: T, what: string) {
  const error = `a list of at most ${MAX_ENTRIES} ${what}`;
  return z.array(entry, { error }).max(MAX_ENTRIES, { error });
}

const ruleName = text(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  'at most 63 letters, digits, dots, hyphens and underscores, e.g. production',
);

const clusterGlob = text(
  /^[a-z0-9*][a-z0-9*-]{0,62}$/,
  `the name of a cluster, in which ${STAR}: lower-case letters, digits, hyphens and *, e.g. prod-*`,
);

const HOST_GLOB =
  /^(?=.{1,253}$)[A-Za-z0-9*]([A-Za-z0-9*-]*[A-Za-z0-9*])?(\.[A-Za-z0-9*]([A-Za-z0-9*-]*[A-Za-z0-9*])?)*$/;
const hostForm =
  'a network (10.0.0.0/16), an address, or a host name in which * stands for any characters but dots and ** for any, e.g. *.prod.example.com';

/** Looks like an address, but is none: a glob over the text of addresses, an octal or a shortened form. */
const LIKE_ADDRESS = /(^|[.*])(\d+|0x[\da-f]*)$|^[\d.*]*\d[\d.*]*$/i;

const host = z.string({ error: hostForm }).superRefine((value, check) => {
  const problem = hostProblem(value);
  if (problem !== null)
    check.addIssue({ code: 'custom', message: `found ${show(value)}; ${problem}allowed: ${hostForm}` });
});

function hostProblem(value: string): string | null {
  if (value.includes('/')) {
    if (parseNetwork(value) !== null) return null;
    const [base = ''] = value.split('/');
    if (parseAddress(base) === null) return 'that is no network; ';
    if (base.includes(':') && parseAddress(base)?.family === 4) return 'write the network in IPv4 notation; ';
    return 'bits are set after the prefix, or the prefix is too long; ';
  }
  if (value.includes(':')) return parseAddress(value) === null ? 'that is no IPv6 address; ' : null;
  if (LIKE_ADDRESS.test(value)) {
    return parseAddress(value) === null ? 'addresses have no globs and no short forms: write a network; ' : null;
  }
  return HOST_GLOB.test(value) && (value.includes('*') || isHost(value)) ? null : '';
}

const portForm = 'a whole number from 1 to 65535';
const port = z.int({ error: portForm }).min(1, { error: portForm }).max(65_535, { error: portForm });

const user = text(
  /^[A-Za-z0-9_*][A-Za-z0-9_.@+\\$*-]{0,127}$/,
  `the name of a user on the nodes, in which ${STAR}, e.g. patcher`,
);

const identity = text(
  /^[A-Za-z0-9_*][A-Za-z0-9_.@+:/=*-]{0,200}$/,
  `the bare name of a key file of the worker, in which ${STAR}; agent for all keys of its ssh-agent; or agent:SHA256:... for one of them`,
);

const ports = list(port, 'port numbers');
const users = list(user, 'user names');
const identities = list(identity, 'identities');

const jumpForm = `${hostForm}; or a mapping with host, ports, users and identities`;
const jumpMapping = z.strictObject(
  {
    host: host.describe('As in hosts.'),
    ports: ports.optional().describe('Default: the ports of the rule.'),
    users: users.optional().describe('Default: the users of the rule.'),
    identities: identities.optional().describe('Default: the identities of the rule.'),
  },
  { error: jumpForm },
);
const jumpHost = z.union([host, jumpMapping], { error: jumpForm });

const contextForm = `the name of a context, in which ${STAR}: at most 253 letters, digits and . _ : / @ + = -`;
const kubeconfig = z.strictObject(
  {
    file: text(
      KUBECONFIG_NAME,
      'in-cluster, or the bare name of a file in the kubeconfig directory of the worker',
    ).describe(
      'Name of a file in the kubeconfig directory of the worker, or in-cluster for the service account of its pod.',
    ),
    contexts: list(text(/^[A-Za-z0-9_*][A-Za-z0-9_.:/@+=*-]{0,252}$/, contextForm), 'names of contexts')
      .optional()
      .describe(
        'Contexts that a spec may name. A spec that names none uses the current context of the file, which only * allows here. Default: only the current context.',
      ),
  },
  { error: 'a mapping with file and contexts' },
);

const program = text(
  /^[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,63}$/,
  `the bare name of a program, in which ${STAR}: at most 64 letters, digits, dots, hyphens and underscores`,
);

const endpointForm = 'an https address without a path, e.g. https://vpce-1.eks.eu-west-1.vpce.amazonaws.com';

const aws = z.strictObject(
  {
    profiles: list(
      text(/^[A-Za-z0-9_*][A-Za-z0-9_.@+*-]{0,63}$/, `the name of a profile, in which ${STAR}, or ${DEFAULT_CHAIN}`),
      'names of profiles',
    )
      .optional()
      .describe(
        `Profiles of the AWS configuration on the worker. ${DEFAULT_CHAIN}: the default chain of AWS, for a spec that names no profile.`,
      ),
    regions: list(text(/^[a-z0-9*-]{1,40}$/, `an AWS region, in which ${STAR}, e.g. eu-west-1`), 'regions')
      .optional()
      .describe('Regions of AWS.'),
    clusters: list(
      text(/^[A-Za-z0-9*][A-Za-z0-9_*-]{0,99}$/, `the name of an EKS cluster at AWS, in which ${STAR}`),
      'names of EKS clusters',
    )
      .optional()
      .describe('Names of EKS clusters at AWS (eks.cluster).'),
    endpoints: list(text(/^https:\/\/[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:\d{1,5})?\/?$/, endpointForm), 'addresses')
      .optional()
      .describe('Addresses that a spec may name instead of the endpoint of its region; https only, no globs.'),
  },
  { error: 'a mapping with profiles, regions, clusters and endpoints' },
);

const secretFile = text(
  /^[A-Za-z0-9_*][A-Za-z0-9_.@+*-]{0,127}$/,
  `the bare name of a file in the secrets directory of the worker, in which ${STAR}`,
);

const alertmanagerForm = 'an http or https address as in alerts.alertmanager.url, without globs';
const alertmanagerUrl = text(/^https?:\/\/[^\s?#@*]{1,500}$/i, alertmanagerForm);
const alertmanagerError = `${alertmanagerForm}; or a mapping with url and credentials`;
const alertmanager = z.union(
  [
    alertmanagerUrl,
    z.strictObject(
      {
        url: alertmanagerUrl.describe('Address of the Alertmanager.'),
        credentials: list(secretFile, 'names of files')
          .optional()
          .describe(
            'Files in the secrets directory of the worker with which a spec may authenticate there. Default: none.',
          ),
      },
      { error: alertmanagerError },
    ),
  ],
  { error: alertmanagerError },
);

const notifications = z.strictObject(
  {
    hosts: list(host, 'networks, addresses and host names')
      .optional()
      .describe('Hosts to which messages may be sent: of webhooks, chat services and mail servers. As hosts of nodes.'),
    secrets: list(secretFile, 'names of files').optional().describe('Files in the secrets directory of the worker.'),
    programs: list(program, 'names of programs')
      .optional()
      .describe('Programs in the directory of notification programs of the worker.'),
  },
  { error: 'a mapping with hosts, secrets and programs' },
);

const rule = z.strictObject(
  {
    name: ruleName.describe('Name of the rule in errors and logs.'),
    clusters: list(clusterGlob, 'names of clusters')
      .min(1, { error: 'found an empty list; allowed: at least one name of a cluster' })
      .describe('Names of the clusters to which the rule applies; * stands for any characters.'),
    hosts: list(host, 'networks, addresses and host names')
      .optional()
      .describe(
        'Hosts of nodes. A network allows addresses, and names by the address to which the worker really connects. A name allows whatever address it resolves to.',
      ),
    ports: ports.optional().describe('SSH ports.'),
    users: users.optional().describe('Users on the nodes.'),
    identities: identities
      .optional()
      .describe(
        'Keys with which the worker logs in. agent allows each key of the ssh-agent; a spec that names no identity uses agent.',
      ),
    jumpHosts: list(jumpHost, 'jump hosts')
      .optional()
      .describe('Jump hosts, each as in hosts, with the ports, users and identities of the rule or with its own.'),
    kubeconfigs: list(kubeconfig, 'kubeconfigs').optional().describe('Kubeconfigs of the worker, and their contexts.'),
    powerCycleHooks: list(program, 'names of programs')
      .optional()
      .describe('Programs in the hook directory of the worker.'),
    rebootCommands: list(program, 'names of programs')
      .optional()
      .describe('Programs on the nodes that reboot them. systemctl reboot needs no entry.'),
    calendars: list(program, 'names of files').optional().describe('Files in the calendar directory of the worker.'),
    notifications: notifications
      .optional()
      .describe("What targets of notifications in specs may name. Targets of the worker's own file need no entry."),
    aws: aws.optional().describe('Access to EKS clusters.'),
    alertmanagers: list(alertmanager, 'Alertmanagers')
      .optional()
      .describe(
        'Alertmanagers that a spec may name, each with its address alone or with the files of its credentials.',
      ),
    taskQueues: list(
      text(/^[A-Za-z0-9*][A-Za-z0-9._*-]{0,99}$/, `the name of a task queue, in which ${STAR}, e.g. ospatch`),
      'names of task queues',
    )
      .optional()
      .describe('Task queues on which the worker takes requests of these clusters.'),
    verified: list(z.enum(VERIFIABLE_VERBS, { error: VERIFIABLE_VERBS.join(', ') }), 'verbs')
      .optional()
      .describe('What only a verified person may ask for. Default: nothing.'),
  },
  { error: 'a mapping with at least name and clusters' },
);

const fileName = text(
  /^(?!\.\.?$)[A-Za-z0-9_.][A-Za-z0-9_.@+-]{0,127}$/,
  'the bare name of a file beside the policy (no path), e.g. known_hosts',
);

export const policySchema = z.strictObject(
  {
    version: z
      .literal(POLICY_VERSION, { error: String(POLICY_VERSION) })
      .describe('Version of the form of this document.'),
    signers: fileName
      .optional()
      .describe("File beside the policy with the public keys of persons, in the format of ssh's allowed_signers."),
    knownHosts: fileName
      .optional()
      .describe(
        'A known_hosts file beside the policy. With it, the host keys of a message count for nothing: a host that is not in the file is denied.',
      ),
    rules: z
      .array(rule, { error: `a list of at most ${MAX_RULES} rules` })
      .max(MAX_RULES, { error: `a list of at most ${MAX_RULES} rules` })
      .describe('A request must be allowed by one single rule. An empty list allows nothing.'),
  },
  { error: 'a mapping with version, signers, knownHosts and rules' },
);
