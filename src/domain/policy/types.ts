/** The worker's policy: what the owner of a worker lets others ask of it. */

/** Version of the document form. */
export const POLICY_VERSION = 1;

/** Verbs for which a policy may require a verified person. */
export const VERIFIABLE_VERBS = [
  'patch',
  'apply',
  'remove',
  'ignore-window',
  'ignore-alerts',
  'pause',
  'resume',
  'cancel',
  'skip',
  'retry',
  'lock',
  'unlock',
  'set-concurrency',
  'set-max-failures',
  'extend-window',
  'recover',
] as const;
export type VerifiableVerb = (typeof VERIFIABLE_VERBS)[number];

/**
 * A valid policy document. A list that is absent allows nothing of its kind. Lists of names take globs: `*` stands for any
 * characters, in host names for any but dots, and `**` in host names for any.
 */
export interface WorkerPolicy {
  version: typeof POLICY_VERSION;
  /** Bare name of a file beside the policy, in the format of ssh's allowed_signers. */
  signers?: string;
  /** Bare name of a known_hosts file beside the policy, which outranks the host keys of a message. */
  knownHosts?: string;
  rules: PolicyRule[];
}

export interface PolicyRule {
  /** Appears in errors and logs. */
  name: string;
  /** Globs of cluster names. */
  clusters: string[];
  /** Names of hosts (globs), addresses and networks (CIDR) of nodes. */
  hosts?: string[];
  ports?: number[];
  users?: string[];
  /** Key files, `agent`, or `agent:SHA256:...`. */
  identities?: string[];
  jumpHosts?: PolicyJumpHost[];
  kubeconfigs?: PolicyKubeconfig[];
  powerCycleHooks?: string[];
  rebootCommands?: string[];
  calendars?: string[];
  aws?: PolicyAws;
  alertmanagers?: PolicyAlertmanager[];
  notifications?: PolicyNotifications;
  taskQueues?: string[];
  /** Verbs that need a verified person. Absent: none. */
  verified?: VerifiableVerb[];
}

/** A host as in `hosts`, with the ports, users and identities of the rule, or with its own. */
export type PolicyJumpHost = string | { host: string; ports?: number[]; users?: string[]; identities?: string[] };

export interface PolicyKubeconfig {
  /** A file, or `in-cluster`. */
  file: string;
  /** Absent: only the current context of the file, so only a spec that names none. `*`: all contexts. */
  contexts?: string[];
}

/** The address of an Alertmanager, without credentials or with those of files of the worker. */
export type PolicyAlertmanager = string | { url: string; credentials?: string[] };
/** What targets of notifications in specs may name. */
export interface PolicyNotifications {
  /** Names of hosts (globs), addresses and networks (CIDR) that may be called. */
  hosts?: string[];
  /** Files in the secrets directory of the worker. */
  secrets?: string[];
  /** Programs in the directory of notification programs of the worker. */
  programs?: string[];
}

export interface PolicyAws {
  /** Profiles; `default-chain`: the default chain of AWS, which a spec without a profile uses. */
  profiles?: string[];
  regions?: string[];
  /** Names of EKS clusters at AWS. */
  clusters?: string[];
  /** Addresses that a spec may name instead of the endpoint of the region. https only. */
  endpoints?: string[];
}

/** The default chain of AWS in `aws.profiles`. */
export const DEFAULT_CHAIN = 'default-chain';
