/** Decides whether a policy allows a request, by which rule, and what is missing. */
import type { EksAccess } from '../eks/policy';
import type { KubernetesAccess } from '../kubernetes/types';
import { isHost } from '../trust/hosts';
import { isAddressIn, parseAddress, parseNetwork } from './addresses';
import { matchesGlob, matchesHostGlob } from './globs';
import type { Demand, PolicyRequest } from './request';
import { DEFAULT_CHAIN } from './types';
import type { PolicyJumpHost, PolicyRule, WorkerPolicy } from './types';

/** `grants`: the rules that allow the request, those without a condition first. Never empty. */
export type PolicyVerdict = { allowed: true; grants: [Grant, ...Grant[]] } | { allowed: false; denial: Denial };

export interface Grant {
  rule: string;
  /** The names that the rule allows only at addresses in its networks. */
  limits: AddressLimit[];
}

/** A host name that may be connected to only at an address in one of the networks. */
export interface AddressLimit {
  /** Of the demand. */
  path: string;
  host: string;
  networks: string[];
}

/** Why no rule allows a request. */
export interface Denial {
  /** The rule of the cluster to which the least is missing; null: no rule is for the cluster. */
  rule: string | null;
  /** Number of rules for the cluster. */
  rules: number;
  missing: Missing[];
}

/** One part of a request that a rule does not allow. */
export interface Missing {
  /** Field of the rule, e.g. `users`. */
  field: string;
  /** Field of the spec, e.g. `ssh.user`. */
  path: string;
  /** What was asked for. */
  value: string;
}

/** A request without demands is allowed by each rule for its cluster. */
export function decidePolicy(policy: WorkerPolicy, { cluster, demands }: PolicyRequest): PolicyVerdict {
  const rules = rulesFor(policy, cluster);
  const grants: Grant[] = [];
  let denial: Denial = {
    rule: null,
    rules: rules.length,
    missing: [{ field: 'clusters', path: 'name', value: cluster }],
  };
  for (const rule of rules) {
    const answers = demands.map((demand) => judge(rule, demand));
    const missing = answers.flatMap((answer) => ('missing' in answer ? answer.missing : []));
    if (missing.length === 0) {
      grants.push({ rule: rule.name, limits: answers.flatMap((answer) => ('limit' in answer ? [answer.limit] : [])) });
    } else if (denial.rule === null || missing.length < denial.missing.length) {
      denial = { rule: rule.name, rules: rules.length, missing };
    }
  }
  const [first, ...others] = grants.sort((a, b) => a.limits.length - b.limits.length);
  return first === undefined ? { allowed: false, denial } : { allowed: true, grants: [first, ...others] };
}

export function rulesFor(policy: WorkerPolicy, cluster: string): PolicyRule[] {
  return policy.rules.filter(({ clusters }) => clusters.some((glob) => matchesGlob(glob, cluster)));
}

type Answer = { ok: true } | { limit: AddressLimit } | { missing: Missing[] };

const YES: Answer = { ok: true };

function judge(rule: PolicyRule, demand: Demand): Answer {
  switch (demand.kind) {
    case 'listed': {
      const { field, value } = demand;
      return isListed(field, rule[field], value) ? YES : missing(demand, field, String(value));
    }
    case 'host':
      return judgeHost(rule.hosts ?? [], demand, 'hosts');
    case 'jumpHost':
      return judgeJumpHost(rule, demand);
    case 'kubeconfig':
      return allowsKubeconfig(rule, demand.access)
        ? YES
        : missing(demand, 'kubeconfigs', kubeconfigText(demand.access));
    case 'notificationHost':
      return judgeHost(rule.notifications?.hosts ?? [], demand, 'notifications.hosts');
    case 'notificationSecret':
      return isListed('secrets', rule.notifications?.secrets, demand.file)
        ? YES
        : missing(demand, 'notifications.secrets', demand.file);
    case 'notificationProgram':
      return isListed('programs', rule.notifications?.programs, demand.program)
        ? YES
        : missing(demand, 'notifications.programs', demand.program);
    case 'aws':
      return judgeAws(rule, demand.path, demand.access);
    case 'alertmanager':
      return judgeAlertmanager(rule, demand);
  }
}

function isListed(field: string, list: readonly (string | number)[] = [], value: string | number): boolean {
  if (typeof value === 'number') return list.includes(value);
  const globs = list.filter((entry) => typeof entry === 'string');
  return field === 'identities' ? isIdentityListed(globs, value) : globs.some((glob) => matchesGlob(glob, value));
}

/** A glob of file names stands for no key of the ssh-agent, whatever its letters. */
function isIdentityListed(globs: readonly string[], identity: string): boolean {
  if (!/^agent(:|$)/.test(identity)) return globs.some((glob) => matchesGlob(glob, identity));
  // The ssh-agent as a whole includes each of its keys.
  return globs.some(
    (glob) => glob === '*' || glob === 'agent' || (glob.startsWith('agent:') && matchesGlob(glob, identity)),
  );
}

/**
 * An address is allowed by a network, a name by a glob, or by a network under the condition that it is connected to at an
 * address of that network.
 */
function judgeHost(entries: readonly string[], { path, host }: { path: string; host: string }, field: string): Answer {
  const denied: Answer = { missing: [{ field, path, value: host }] };
  if (!isHost(host)) return denied;
  const networks = entries.filter((entry) => parseNetwork(entry) !== null);
  if (parseAddress(host) !== null) return isAddressIn(host, networks) ? YES : denied;
  const isNamed = entries.some((entry) => parseNetwork(entry) === null && matchesHostGlob(entry, host));
  if (isNamed) return YES;
  return networks.length > 0 ? { limit: { path, host, networks } } : denied;
}

function judgeJumpHost(rule: PolicyRule, hop: Demand & { kind: 'jumpHost' }): Answer {
  const entries = (rule.jumpHosts ?? []).map((entry) => jumpEntry(rule, entry));
  let best: Missing[] | null = null;
  let limited: Answer | null = null;
  // A hop is allowed by one entry as a whole.
  for (const entry of entries) {
    const host = judgeHost([entry.host], hop, 'jumpHosts');
    if ('missing' in host) continue;
    const parts = (['port', 'user', 'identity'] as const).flatMap((part): Missing[] => {
      const isAllowed = isListed(part === 'identity' ? 'identities' : part, entry[part], hop[part]);
      return isAllowed ? [] : [{ field: 'jumpHosts', path: `${hop.path}.${part}`, value: String(hop[part]) }];
    });
    if (parts.length > 0) {
      if (best === null || parts.length < best.length) best = parts;
    } else if ('limit' in host) {
      const networks: string[] = limited !== null && 'limit' in limited ? limited.limit.networks : [];
      limited = { limit: { ...host.limit, networks: [...networks, ...host.limit.networks] } };
    } else return YES;
  }
  return limited ?? { missing: best ?? [{ field: 'jumpHosts', path: `${hop.path}.host`, value: hop.host }] };
}

interface JumpEntry {
  host: string;
  port: readonly number[];
  user: readonly string[];
  identity: readonly string[];
}

function jumpEntry(rule: PolicyRule, entry: PolicyJumpHost): JumpEntry {
  const own = typeof entry === 'string' ? { host: entry } : entry;
  const { host, ports = rule.ports, users = rule.users, identities = rule.identities } = own;
  return { host, port: ports ?? [], user: users ?? [], identity: identities ?? [] };
}

function allowsKubeconfig({ kubeconfigs = [] }: PolicyRule, { kubeconfig, context }: KubernetesAccess): boolean {
  return kubeconfigs.some(({ file, contexts }) => {
    if (file !== kubeconfig) return false;
    if (context === undefined) return contexts === undefined || contexts.includes('*');
    return contexts?.some((glob) => matchesGlob(glob, context)) === true;
  });
}

function kubeconfigText({ kubeconfig, context }: KubernetesAccess): string {
  return `${kubeconfig}, ${context === undefined ? 'its current context' : `context ${context}`}`;
}

function judgeAws({ aws = {} }: PolicyRule, path: string, { profile, region, cluster, endpoint }: EksAccess): Answer {
  const { profiles = [], regions = [], clusters = [], endpoints = [] } = aws;
  const denied: Missing[] = [];
  const check = (isAllowed: boolean, field: string, at: string, value: string): void => {
    if (!isAllowed) denied.push({ field: `aws.${field}`, path: `${path}.${at}`, value });
  };
  const matchesAny = (globs: readonly string[], value: string): boolean =>
    globs.some((glob) => matchesGlob(glob, value));
  const isDefault = profile === undefined;
  const isProfile = isDefault
    ? profiles.includes(DEFAULT_CHAIN) || profiles.includes('*')
    : // The word is no name of a profile.
      matchesAny(
        profiles.filter((one) => one !== DEFAULT_CHAIN),
        profile,
      );
  check(isProfile, 'profiles', 'profile', profile ?? DEFAULT_CHAIN);
  check(matchesAny(regions, region), 'regions', 'region', region);
  check(matchesAny(clusters, cluster), 'clusters', 'cluster', cluster);
  if (endpoint !== undefined) {
    const wanted = plainEndpoint(endpoint);
    check(wanted !== null && endpoints.some((one) => plainEndpoint(one) === wanted), 'endpoints', 'endpoint', endpoint);
  }
  return denied.length === 0 ? YES : { missing: denied };
}

/** The files are those of the entry whose address it is: a token for one server is not sent to another. */
function judgeAlertmanager(
  { alertmanagers = [] }: PolicyRule,
  { path, url, credentials }: Extract<Demand, { kind: 'alertmanager' }>,
): Answer {
  const entries = alertmanagers
    .map((one) => (typeof one === 'string' ? { url: one } : one))
    .filter((one) => plainUrl(one.url) === plainUrl(url));
  if (entries.length === 0) return { missing: [{ field: 'alertmanagers', path: `${path}.url`, value: url }] };
  const isAllowed = entries.some(
    ({ credentials: files = [] }) => credentials === null || files.some((glob) => matchesGlob(glob, credentials)),
  );
  if (isAllowed) return YES;
  return { missing: [{ field: 'alertmanagers.credentials', path: `${path}.credentials`, value: credentials ?? '' }] };
}

/** An address without the parts that do not matter; null for what is none. */
function plainUrl(text: string): string | null {
  const [, scheme = '', host, port, prefix = ''] =
    /^(https?):\/\/(\[[^\]/]+\]|[^/:?#@\s]+)(?::(\d{1,5}))?(\/[^?#\s]*)?$/i.exec(text) ?? [];
  if (host === undefined) return null;
  const protocol = scheme.toLowerCase();
  const number = Number(port ?? (protocol === 'https' ? 443 : 80));
  return `${protocol}://${host.toLowerCase().replace(/\.$/, '')}:${number}${prefix.replace(/\/+$/, '')}`;
}

/** An https address without the parts that do not matter; null for anything else. */
function plainEndpoint(text: string): string | null {
  const [, host, port = '443'] = /^https:\/\/([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
  return host === undefined ? null : `${host.toLowerCase().replace(/\.$/, '')}:${Number(port)}`;
}

function missing({ path }: Demand, field: string, value: string): Answer {
  return { missing: [{ field, path, value }] };
}
