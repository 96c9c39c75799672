import { stringify } from 'yaml';
import { canonicalJson } from '../../domain/shared/canonical-json';
import { isEks } from '../../domain/eks/node-groups';
import type {
  ClusterSpec,
  EksSpec,
  NodeSpec,
  Patching,
  ScheduleEntry,
  SelfManagedSpec,
  SshAccess,
} from '../../domain/spec/types';
import { FORECAST } from '../../domain/schedule/forecast-cutoff';
import { DEFAULT_SSH, defaultStartWithin } from '../../domain/spec/normalise';
import { defined } from '../../domain/shared/defined';

const SSH_FIELDS = ['user', 'port', 'identity', 'helper', 'transport', 'jump'] as const;

/**
 * A spec as idiomatic YAML: values shared by several nodes are in the cluster's `ssh`, defaults are omitted. Parsing it
 * again gives an equal spec.
 */
export function renderSpecYaml(spec: ClusterSpec): string {
  const { apiVersion, name, type, description } = spec;
  const header = { apiVersion, name, type, ...defined({ description }) };
  const sections = isEks(spec) ? eksSectionsOf(spec) : spec.type === 'self-managed' ? sectionsOf(spec) : {};
  const document = { ...header, ...sections };
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}

function sectionsOf({ patching, kubernetes, taskQueue, nodes }: SelfManagedSpec) {
  const shared = sharedSsh(nodes);
  const ssh = withoutEqual(shared, DEFAULT_SSH);
  return {
    patching: patchingOf(patching),
    ...defined({ kubernetes, taskQueue, ssh: Object.keys(ssh).length === 0 ? undefined : ssh }),
    nodes: nodes.map((node) => nodeOf(node, shared)),
  };
}

function eksSectionsOf({ eks, taskQueue, patching: { timeZone, schedule, blackouts, rollout } }: EksSpec) {
  const when = defined({ schedule: schedule === undefined ? undefined : scheduleOf(schedule), blackouts });
  const site = defined({ taskQueue });
  return { eks, ...site, patching: { timeZone, ...when, rollout } };
}

function patchingOf({ schedule, blackouts, ...patching }: Patching) {
  const { patchOnBoot, rebootIfRequired, timeZone, ...rest } = patching;
  const when = defined({ schedule: schedule === undefined ? undefined : scheduleOf(schedule), blackouts });
  return { patchOnBoot, rebootIfRequired, timeZone, ...when, ...rest };
}

function scheduleOf(schedule: readonly ScheduleEntry[]): unknown {
  const entries = schedule.map(entryOf);
  return entries.length === 1 ? entries[0] : entries;
}

function entryOf({ startWithin, cutoff, ...entry }: ScheduleEntry): unknown {
  const shown = {
    ...entry,
    ...defined({
      cutoff: cutoff === FORECAST ? undefined : cutoff,
      startWithin: startWithin === defaultStartWithin(entry) ? undefined : startWithin,
    }),
  };
  return 'preset' in shown && Object.keys(shown).length === 1 ? shown.preset : shown;
}

function nodeOf({ name, host, ssh, hostKeys, ...rest }: NodeSpec, shared: Partial<SshAccess>) {
  const own = withoutEqual(ssh, { ...DEFAULT_SSH, ...shared });
  return {
    name,
    ...defined({ host: host === name ? undefined : host }),
    ...rest,
    ...defined({
      ssh: Object.keys(own).length === 0 ? undefined : own,
      hostKeys: hostKeys.length === 0 ? undefined : hostKeys,
    }),
  };
}

/** Fields with the same value on all nodes; a field that only some nodes have stays on those nodes. */
function sharedSsh(nodes: readonly NodeSpec[]): Partial<SshAccess> {
  const [first, ...others] = nodes;
  if (first === undefined || others.length === 0) return {};
  const isShared = (field: keyof SshAccess): boolean => others.every(({ ssh }) => isSame(ssh[field], first.ssh[field]));
  return pick(
    first.ssh,
    SSH_FIELDS.filter((field) => first.ssh[field] !== undefined && isShared(field)),
  );
}

/** The fields that differ from the value that applies when they are omitted. */
function withoutEqual(ssh: Partial<SshAccess>, other: Partial<SshAccess>): Partial<SshAccess> {
  const isNeeded = (field: keyof SshAccess): boolean => field in ssh && !isSame(ssh[field], other[field]);
  return pick(ssh, SSH_FIELDS.filter(isNeeded));
}

function isSame(one: unknown, other: unknown): boolean {
  return canonicalJson([one ?? null]) === canonicalJson([other ?? null]);
}

function pick(ssh: Partial<SshAccess>, fields: readonly (keyof SshAccess)[]): Partial<SshAccess> {
  return Object.fromEntries(fields.map((field) => [field, ssh[field]]));
}
