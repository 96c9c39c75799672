/** The schema of a spec document, and all text about its fields. */
import { z } from 'zod';
import { MAX_EXCLUDES, ONLY, ON_HIDDEN, PHASED_UPDATES } from './package-policy';
import {
  API_VERSION,
  CLUSTER_TYPES,
  HELPER_MODES,
  MAX_JUMPS,
  MAX_NODES,
  NODE_ROLES,
  ON_WINDOW_END,
  SSH_TRANSPORTS,
} from './types';
import { alertsSchema } from './alerts-section';
import { kubernetesSchema } from './kubernetes-section';
import { eksDocument } from './eks-section';
import { rebootOwnersSchema } from './reboot-owners-section';
import { restartSchema } from './restart-section';
import { rolloutSchema } from './rollout-section';
import { blackoutsSchema } from './blackout-section';
import { notificationsSchema } from './notifications-section';
import { scheduleSchema } from './schedule-section';
import * as field from './fields';

const typeError = CLUSTER_TYPES.join(', ');
const documentError = 'a mapping with apiVersion, name, type, patching, ssh and nodes';

const header = {
  apiVersion: z.literal(API_VERSION, { error: API_VERSION }).describe('Version of this format.'),
  name: field.clusterName.describe('Name of the cluster, a DNS label. The Temporal workflow id is cluster/NAME.'),
  description: field.description.optional().describe('Free text, shown to users.'),
};

const hostKeys = z
  .array(field.hostKey, { error: 'a list of host keys' })
  .optional()
  .describe(
    'Trusted host keys, each TYPE BASE64 as in a known_hosts line without the host, or with @cert-authority or @revoked in front. When given, the known_hosts file is read only for revoked keys.',
  );

const jumpError = `a list of at most ${MAX_JUMPS} jump hosts`;

const jumpHost = z.strictObject(
  {
    host: field.host.describe('Address of the jump host as seen from the previous hop: IPv4, IPv6 or DNS name.'),
    port: field.wholeNumber(1, 65_535).optional().describe('Port of sshd. Default: 22.'),
    user: field.userName.optional().describe('Login user on the jump host. Default: the user of the node.'),
    identity: field.identity.optional().describe('Key for the jump host. Default: the identity of the node.'),
    hostKeys,
  },
  { error: 'a mapping with host, port, user, identity and hostKeys' },
);

const sshFields = {
  user: field.userName.optional().describe('Login user: root, or a user that may run sudo -n. Needed for every node.'),
  port: field.wholeNumber(1, 65_535).optional().describe('Port of sshd. Default: 22.'),
  identity: field.identity
    .optional()
    .describe(
      "Name of a private key file in the worker's key directory (OSPATCH_KEY_DIR, default ~/.config/ospatch/keys, as root /etc/ospatch/keys), or agent for the worker's SSH agent (at most 6 of its keys are offered), or agent:SHA256:FINGERPRINT for one key of it. Never a path. Default: agent.",
    ),
  helper: field
    .choice(HELPER_MODES)
    .optional()
    .describe(
      'auto: ospatch installs its helper on a node on first use. preinstalled: an administrator installs the helper, and ospatch never does. Default: auto.',
    ),
  transport: field
    .choice(SSH_TRANSPORTS)
    .optional()
    .describe(
      'builtin: the SSH client of ospatch. openssh: the OpenSSH client of the worker, for certificates, FIDO keys and post-quantum key exchange. Default: builtin.',
    ),
  jump: z
    .array(jumpHost, { error: jumpError })
    .max(MAX_JUMPS, { error: jumpError })
    .optional()
    .describe(
      'Jump hosts to connect through, in order from the worker. Each is verified by its own host keys. []: none.',
    ),
};

const ssh = z.strictObject(
  {
    ...sshFields,
    knownHosts: field.knownHostsFile
      .optional()
      .describe('Name of a known_hosts file beside the spec, from which host keys are taken. Default: known_hosts.'),
  },
  { error: 'a mapping with user, port, identity, knownHosts, helper, transport and jump' },
);

const node = z.strictObject(
  {
    name: field.nodeName.describe('Name of the node, unique in the cluster; for a Kubernetes node its node name.'),
    host: field.host.optional().describe('Address to connect to: IPv4, IPv6 or DNS name. Default: the name.'),
    role: field
      .choice(NODE_ROLES)
      .default('worker')
      .describe('Role of the node, which determines its place in the order.'),
    zone: field.zone.optional().describe('Failure zone of the node.'),
    labels: z
      .record(field.labelKey, field.labelValue, { error: 'a mapping of label keys to text' })
      .optional()
      .describe('Labels of the node, as in Kubernetes.'),
    kubernetesName: field.nodeName.optional().describe('Name of the node in Kubernetes. Default: the name.'),
    taskQueue: field.taskQueue
      .optional()
      .describe('Task queue of the workers that reach this node. Default: the task queue of the cluster.'),
    ssh: z
      .strictObject(sshFields, { error: 'a mapping with user, port, identity, helper, transport and jump' })
      .optional()
      .describe("Settings of this node that differ from the cluster's ssh."),
    hostKeys,
  },
  { error: 'a mapping with at least name' },
);

const powerCycleHook = z.strictObject(
  {
    name: field.programName.describe(
      "Name of a program in the worker's hook directory (OSPATCH_HOOK_DIR), run with the arguments CLUSTER NODE HOST.",
    ),
    after: field
      .duration('1m', '12h')
      .default('15m')
      .describe('How long a node must have been unreachable after its reboot before the hook is run, once per run.'),
  },
  { error: 'a mapping with name and after' },
);

const excludesError = `a list of at most ${MAX_EXCLUDES} package names`;

export const packagesSchema = z.strictObject(
  {
    only: field
      .choice(ONLY)
      .optional()
      .describe(
        'security: only packages with a security fix; a node whose package sources do not say which those are is refused. Default: all pending packages.',
      ),
    exclude: z
      .array(field.packageGlob, { error: excludesError })
      .max(MAX_EXCLUDES, {
        error: ({ input }) => `found ${(input as unknown[]).length} entries; allowed: ${excludesError}`,
      })
      .default([])
      .describe('Names of packages that are not updated; * and ? match any characters.'),
    includeKubernetes: field
      .flag()
      .default(false)
      .describe('Patch kubelet, kubeadm, kubectl and the container runtime of a Kubernetes node too.'),
    allowRemovals: field
      .flag()
      .default(false)
      .describe(
        'true: a patch may remove packages, including those that others replace. false: such a patch is refused with the list of packages.',
      ),
    keepMinor: field
      .flag()
      .default(false)
      .describe(
        'RHEL family: stay on the installed minor release, e.g. 9.4. No effect on Debian, Ubuntu, SLES, Fedora and Amazon Linux, whose patches never leave it.',
      ),
    phasedUpdates: field
      .choice(PHASED_UPDATES)
      .default('default')
      .describe(
        'Phased updates of Ubuntu. default: apt decides, which installs a phased update on some machines earlier than on others. always: every phased update is installed at once. never: only after phasing is complete.',
      ),
    onHidden: field
      .choice(ON_HIDDEN)
      .default('warn')
      .describe(
        'What happens to a node whose own configuration (APT::Default-Release, a pin, a hold; excludepkgs, versionlock, priorities of dnf; locks and priorities of zypper; pins in the world file of apk) hides security fixes. With zypper and apk it is not known which hidden updates are security fixes, so every one counts. warn: the node is patched, and the hidden updates are named. fail: the node is refused before anything is changed.',
      ),
  },
  { error: 'a mapping with only, exclude, includeKubernetes, allowRemovals, keepMinor, phasedUpdates and onHidden' },
);

const prefetchError = 'before-drain, off, or a mapping with beforeWindow';

const prefetch = z
  .union(
    [
      z.enum(['before-drain', 'off']),
      z.strictObject({
        beforeWindow: field
          .duration('10m', '7d')
          .describe('How long before each window the packages of all nodes are downloaded.'),
      }),
    ],
    { error: prefetchError },
  )
  .default('before-drain');

const patching = z.strictObject(
  {
    patchOnBoot: field
      .flag()
      .default(false)
      .describe('Bring each node to the latest patch version once when it joins the cluster.'),
    rebootIfRequired: field
      .flag()
      .default(false)
      .describe(
        'true: reboot a node when its patches require it. false: the system reboot is restricted; such a node stays reboot-pending.',
      ),
    rebootCommand: field.programName
      .optional()
      .describe(
        'Name of a program in /etc/ospatch/commands on the nodes that reboots them, owned by root and writable for nobody else. Default: systemctl reboot.',
      ),
    rebootOwners: rebootOwnersSchema
      .optional()
      .describe(
        'Other programs that reboot the nodes (kured, unattended-upgrades, ...). Default: any of them refuses a node.',
      ),
    restartServices: restartSchema
      .optional()
      .describe(
        'Restarts of services that still run outdated code: never, auto, or a mapping with mode, services, ignore and asReboot; listed only as {mode: listed, services: [...]}. Default: never.',
      ),
    powerCycleHook: powerCycleHook
      .optional()
      .describe('What to do with a node that does not come back from its reboot. Default: wait for the node.'),
    timeZone: field.timeZone
      .default('UTC')
      .describe('IANA time zone of the schedule and the blackouts, e.g. Europe/Berlin.'),
    schedule: scheduleSchema
      .optional()
      .describe(
        'When runs start: the name of a preset, a mapping with exactly one of preset, custom, cron, once, or a list of up to 20 of them. Without it: on demand only.',
      ),
    blackouts: blackoutsSchema
      .optional()
      .describe(
        'Times in which no node is started: each a mapping with from, to and reason; with cron, duration and reason; or with ical. Default: none.',
      ),
    rollout: rolloutSchema.prefault({}).describe('How a run goes through the nodes.'),
    onWindowEnd: field
      .choice(ON_WINDOW_END)
      .default('finish-node')
      .describe(
        'What becomes of a node that is drained, or being drained, and not yet changed when its maintenance window ends. finish-node: it is patched, if the change begins within 30 minutes after the end. back-out: it is uncordoned and patched in the next window. A node that is not yet cordoned always waits for the next window, and one whose change has begun is always finished.',
      ),
    maxRunAge: field.maxRunAge,
    prefetch: prefetch.describe(
      'When packages are downloaded. before-drain: before a node is drained, so that the node is in service meanwhile. beforeWindow: this long before each window, and packages still missing then before the drain. off: during the transaction.',
    ),
    unreachableTimeout: field
      .duration('10s', '1d')
      .default('10m')
      .describe('How long a node may be unreachable before anything was changed on it; a boot run waits at least 30m.'),
    lockTimeout: field
      .duration('10s', '1d')
      .default('2h')
      .describe(
        'How long a run waits for a lock that another program holds on a node: package manager, debconf or user database.',
      ),
    withoutDrain: field
      .flag()
      .default(false)
      .describe(
        'Patch nodes with an active kubelet, k3s or rke2 without a drain. Cannot be combined with kubernetes, which drains nodes.',
      ),
    packages: packagesSchema.prefault({}).describe('Which pending packages are patched.'),
  },
  {
    error:
      'a mapping with patchOnBoot, rebootIfRequired, restartServices, timeZone, schedule, blackouts, rollout and packages',
  },
);

const nodesError = `a list of 1 to ${MAX_NODES} nodes`;

export const selfManagedSchema = z.strictObject(
  {
    ...header,
    type: z
      .literal('self-managed', { error: typeError })
      .default('self-managed')
      .describe('Nodes that ospatch patches over SSH.'),
    patching: patching.prefault({}).describe('What is patched, when and how.'),
    kubernetes: kubernetesSchema
      .optional()
      .describe('The Kubernetes cluster of the nodes; each node is drained before it is patched. Default: no drain.'),
    alerts: alertsSchema
      .optional()
      .describe(
        'What is done about alerts: silences for the nodes in work, and alerts that hold the next node. Default: nothing.',
      ),
    taskQueue: field.taskQueue
      .optional()
      .describe(
        'Task queue of the workers that reach the nodes, for nodes in a separate network: ospatch worker --task-queue NAME. Default: the common task queue of all workers.',
      ),
    notifications: notificationsSchema
      .optional()
      .describe(
        "Who is told of what happens, each a mapping with name, on, and exactly one of webhook, slack, teams, email and program. []: nobody. Default: the targets of the workers' file (OSPATCH_NOTIFICATIONS), if there is one.",
      ),
    ssh: ssh.optional().describe('SSH access to all nodes; the ssh section of a node overrides single settings.'),
    nodes: z
      .array(node, { error: nodesError })
      .min(1, { error: `found an empty list; allowed: ${nodesError}` })
      .max(MAX_NODES, {
        error: ({ input }) =>
          `found ${(input as unknown[]).length} nodes; allowed: at most ${MAX_NODES} in one cluster; split it`,
      })
      .describe(`The nodes, 1 to ${MAX_NODES}.`),
  },
  { error: documentError },
);

export const eksSchema = eksDocument(header);

export const notPatchableSchema = z.strictObject(
  {
    ...header,
    type: z
      .enum(['imported', 'aks', 'gke', 'managed'], { error: typeError })
      .describe('A cluster that ospatch lists but does not patch, because someone else manages its nodes.'),
  },
  { error: documentError },
);

/** For the JSON Schema; `parseSpec` selects the branch by type, which gives better messages. */
export const specSchema = z.union([selfManagedSchema, eksSchema, notPatchableSchema]);

export type SelfManagedDocument = z.output<typeof selfManagedSchema>;
export type EksDocument = z.output<typeof eksSchema>;
export type NotPatchableDocument = z.output<typeof notPatchableSchema>;
