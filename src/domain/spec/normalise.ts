/** Converts a document to the normalised spec: defaults filled in, short forms expanded. */
import type { PackagePolicy } from './package-policy';
import type {
  ClusterSpec,
  EksSpec,
  NodeSpec,
  NotPatchableSpec,
  Patching,
  ScheduleEntry,
  SelfManagedSpec,
  SshAccess,
  SshHop,
} from './types';
import { normaliseAlerts } from './alerts-section';
import { normaliseBlackouts } from './blackout-section';
import { normaliseKubernetes } from './kubernetes-section';
import type { EksDocument, NotPatchableDocument, SelfManagedDocument } from './document-schema';
import { normaliseRebootOwners } from './reboot-owners-section';
import { normaliseNotifications } from './notifications-section';
import type { NotificationsDocument } from './notifications-section';
import { normaliseRestart } from './restart-section';
import { normaliseEks } from './eks-section';
import { normaliseBudget, normaliseRollout } from './rollout-section';
import { FORECAST } from '../schedule/forecast-cutoff';
import { parseTrustEntry } from '../trust/host-keys';
import { defined } from '../shared/defined';

type PatchingDocument = SelfManagedDocument['patching'];
type ScheduleDocument = NonNullable<PatchingDocument['schedule']>;
type EntryDocument = Exclude<ScheduleDocument, unknown[]>;
type NodeDocument = SelfManagedDocument['nodes'][number];
type SshDocument = NonNullable<SelfManagedDocument['ssh']>;

export const DEFAULT_SSH = { port: 22, identity: 'agent', helper: 'auto' } as const;

export function normaliseSelfManaged(document: SelfManagedDocument): SelfManagedSpec {
  const { kubernetes, alerts, taskQueue } = document;
  return {
    ...headerOf(document),
    type: document.type,
    ...defined({
      kubernetes: kubernetes === undefined ? undefined : normaliseKubernetes(kubernetes),
      alerts: alerts === undefined ? undefined : normaliseAlerts(alerts),
      taskQueue,
    }),
    patching: normalisePatching(document.patching),
    ...notificationsOf(document),
    nodes: document.nodes.map((node) => normaliseNode(node, document.ssh)),
  } satisfies ClusterSpec;
}

export function normaliseEksCluster(document: EksDocument): EksSpec {
  const { alerts, taskQueue } = document;
  const { schedule, blackouts, rollout, ...patching } = document.patching;
  return {
    ...headerOf(document),
    type: document.type,
    eks: normaliseEks(document.eks),
    ...defined({ alerts: alerts === undefined ? undefined : normaliseAlerts(alerts), taskQueue }),
    patching: {
      ...patching,
      ...normaliseTimes({ schedule, blackouts }, patching.timeZone),
      rollout: normaliseBudget(rollout),
    },
    ...notificationsOf(document),
  } satisfies ClusterSpec;
}

function notificationsOf({ notifications }: { notifications?: NotificationsDocument | undefined }) {
  return defined({ notifications: notifications === undefined ? undefined : normaliseNotifications(notifications) });
}

export function normaliseNotPatchable(document: NotPatchableDocument): NotPatchableSpec {
  return { ...headerOf(document), type: document.type } satisfies ClusterSpec;
}

/** The default of `startWithin`. */
export function defaultStartWithin(schedule: Record<string, unknown>): string {
  if (typeof schedule['duration'] === 'string') return schedule['duration'];
  return schedule['preset'] === 'weekly' || schedule['preset'] === 'every-2-weeks' ? '1h' : '24h';
}

function headerOf({ apiVersion, name, description }: NotPatchableDocument | EksDocument | SelfManagedDocument) {
  return { apiVersion, name, ...defined({ description }) };
}

function normalisePatching({
  schedule,
  blackouts,
  rebootCommand,
  powerCycleHook,
  packages,
  rebootOwners,
  restartServices,
  rollout,
  ...patching
}: PatchingDocument): Patching {
  return {
    ...patching,
    ...defined({ rebootCommand, powerCycleHook }),
    ...normaliseRebootOwners(rebootOwners),
    ...normaliseRestart(restartServices),
    ...normaliseTimes({ schedule, blackouts }, patching.timeZone),
    rollout: normaliseRollout(rollout),
    packages: normalisePackages(packages),
  };
}

function normalisePackages({ only, exclude, ...packages }: PatchingDocument['packages']): PackagePolicy {
  return { ...defined({ only }), exclude: [...new Set(exclude)], ...packages };
}

function normaliseTimes(
  { schedule, blackouts }: { schedule: PatchingDocument['schedule']; blackouts: PatchingDocument['blackouts'] },
  timeZone: string,
) {
  return defined({
    schedule: schedule === undefined ? undefined : normaliseSchedule(schedule, timeZone),
    blackouts: blackouts === undefined ? undefined : normaliseBlackouts(blackouts, timeZone),
  });
}

function normaliseSchedule(document: ScheduleDocument, timeZone: string): ScheduleEntry[] {
  return (Array.isArray(document) ? document : [document]).map((entry) => normaliseEntry(entry, timeZone));
}

function normaliseEntry(document: EntryDocument, timeZone: string): ScheduleEntry {
  const { startWithin = defaultStartWithin(document), spread, duration, cutoff, timeZone: zone } = optionsOf(document);
  const options = {
    startWithin,
    ...defined({
      spread,
      duration,
      cutoff: duration === undefined ? undefined : (cutoff ?? FORECAST),
      timeZone: zone === timeZone ? undefined : zone,
    }),
  };
  if ('custom' in document) return { custom: document.custom, ...options };
  if ('cron' in document) return { cron: document.cron.trim().replace(/\s+/g, ' '), ...options };
  if ('once' in document) return { once: document.once.replace(' ', 'T'), ...options };
  const anchor = 'anchor' in document ? document.anchor : undefined;
  return { preset: document.preset, ...defined({ anchor }), ...options };
}

/** The name of a preset alone has none. */
function optionsOf(
  document: EntryDocument,
): Partial<Pick<ScheduleEntry, 'startWithin' | 'spread' | 'duration' | 'cutoff' | 'timeZone'>> {
  return defined({
    startWithin: 'startWithin' in document ? document.startWithin : undefined,
    spread: 'spread' in document ? document.spread : undefined,
    duration: 'duration' in document ? document.duration : undefined,
    cutoff: 'cutoff' in document ? document.cutoff : undefined,
    timeZone: 'timeZone' in document ? document.timeZone : undefined,
  });
}

function normaliseNode(node: NodeDocument, cluster: SshDocument | undefined): NodeSpec {
  const { labels, zone, kubernetesName, taskQueue } = node;
  return {
    name: node.name,
    host: node.host ?? node.name,
    role: node.role,
    ...defined({
      zone,
      labels: labels === undefined || Object.keys(labels).length === 0 ? undefined : labels,
      kubernetesName: kubernetesName === undefined || kubernetesName === node.name ? undefined : kubernetesName,
      taskQueue,
    }),
    ssh: normaliseSsh(node.ssh ?? {}, cluster ?? {}),
    hostKeys: uniqueHostKeys(node.hostKeys ?? []),
  };
}

function normaliseSsh(node: Omit<SshDocument, 'knownHosts'>, cluster: SshDocument): SshAccess {
  const transport = node.transport ?? cluster.transport;
  const jump = node.jump ?? cluster.jump ?? [];
  const access = {
    // A missing user has been reported before.
    user: node.user ?? cluster.user ?? '',
    port: node.port ?? cluster.port ?? DEFAULT_SSH.port,
    identity: node.identity ?? cluster.identity ?? DEFAULT_SSH.identity,
    helper: node.helper ?? cluster.helper ?? DEFAULT_SSH.helper,
  };
  return {
    ...access,
    // Defaults are omitted, so that specs from before these fields existed stay equal.
    ...defined({
      transport: transport === 'openssh' ? transport : undefined,
      jump: jump.length === 0 ? undefined : jump.map((hop) => normaliseHop(hop, access)),
    }),
  };
}

function normaliseHop(hop: NonNullable<SshDocument['jump']>[number], { user, identity }: SshAccess): SshHop {
  return {
    host: hop.host,
    port: hop.port ?? DEFAULT_SSH.port,
    user: hop.user ?? user,
    identity: hop.identity ?? identity,
    hostKeys: uniqueHostKeys(hop.hostKeys ?? []),
  };
}

function uniqueHostKeys(keys: readonly string[]): string[] {
  return [...new Set(keys.map((key) => parseTrustEntry(key) ?? key))];
}
