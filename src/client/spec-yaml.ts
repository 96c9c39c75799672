import { stringify } from 'yaml';
import type { ClusterSpec, NodeSpec, Patching, Schedule, SelfManagedSpec, SshAccess } from '../domain/spec';
import { DEFAULT_SSH, defaultStartWithin } from '../domain/spec-normalise';

const SSH_FIELDS = ['user', 'port', 'identity', 'helper'] as const;

/**
 * A spec as YAML that a person might have written: what most nodes share stands in the cluster's `ssh`, what is the
 * default is left out. Reading it again gives the equal spec.
 */
export function renderSpecYaml(spec: ClusterSpec): string {
  const { apiVersion, name, type, description } = spec;
  const header = { apiVersion, name, type, ...(description === undefined ? {} : { description }) };
  const document = spec.type === 'self-managed' ? { ...header, ...sectionsOf(spec) } : header;
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}

function sectionsOf({ patching, nodes }: SelfManagedSpec) {
  const shared = sharedSsh(nodes);
  return {
    patching: patchingOf(patching),
    ssh: { user: shared.user, ...withoutEqual(shared, DEFAULT_SSH) },
    nodes: nodes.map((node) => nodeOf(node, shared)),
  };
}

function patchingOf({ schedule, ...patching }: Patching) {
  const { patchOnBoot, rebootIfRequired, timeZone, ...rest } = patching;
  const when = schedule === undefined ? {} : { schedule: scheduleOf(schedule) };
  return { patchOnBoot, rebootIfRequired, timeZone, ...when, ...rest };
}

function scheduleOf({ startWithin, ...schedule }: Schedule): unknown {
  if (startWithin !== defaultStartWithin(schedule)) return { ...schedule, startWithin };
  return 'preset' in schedule && schedule.anchor === undefined ? schedule.preset : schedule;
}

function nodeOf({ name, host, ssh, hostKeys, ...rest }: NodeSpec, shared: SshAccess) {
  const own = withoutEqual(ssh, shared);
  return {
    name,
    ...(host === name ? {} : { host }),
    ...rest,
    ...(Object.keys(own).length === 0 ? {} : { ssh: own }),
    ...(hostKeys.length === 0 ? {} : { hostKeys }),
  };
}

/** For each field the value that most nodes have. */
function sharedSsh(nodes: NodeSpec[]): SshAccess {
  return {
    user: mostFrequent(nodes.map(({ ssh }) => ssh.user)) ?? 'root',
    port: mostFrequent(nodes.map(({ ssh }) => ssh.port)) ?? DEFAULT_SSH.port,
    identity: mostFrequent(nodes.map(({ ssh }) => ssh.identity)) ?? DEFAULT_SSH.identity,
    helper: mostFrequent(nodes.map(({ ssh }) => ssh.helper)) ?? DEFAULT_SSH.helper,
  };
}

function mostFrequent<T>(values: T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce<[T, number] | undefined>(
    (best, entry) => (best === undefined || entry[1] > best[1] ? entry : best),
    undefined,
  )?.[0];
}

function withoutEqual(ssh: SshAccess, other: Partial<SshAccess>): Partial<SshAccess> {
  return Object.fromEntries(
    SSH_FIELDS.filter((field) => ssh[field] !== other[field]).map((field) => [field, ssh[field]]),
  );
}
