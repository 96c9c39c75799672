/** The inputs of the node activities. */
import { z } from 'zod';
import type {
  ApplyInput,
  InspectFailedInput,
  InspectInput,
  NodeActivities,
  PowerCycleInput,
  PrefetchInput,
  PreflightInput,
  ReadLogInput,
  RebootInput,
  RepairInput,
  RestartInput,
  TargetInput,
} from '../../contract/activities/node';
import type { InspectionPolicy } from '../../domain/inspection/node';
import type { IgnoredRebootOwner, RebootOwnerPolicy } from '../../domain/node/reboot-owners';
import { REBOOT_OWNERS } from '../../domain/node/reboot-owners';
import type { IneffectiveReboot } from '../../domain/node/reboot';
import { packagesSchema } from '../../domain/spec/document-schema';
import * as spec from '../../domain/spec/fields';
import { ignoredOwner } from '../../domain/spec/reboot-owners-section';
import type { PackagePolicy } from '../../domain/spec/package-policy';
import type { RestartPolicy } from '../../domain/spec/restart-policy';
import { restartMapping } from '../../domain/spec/restart-section';
import { HELPER_MODES, MAX_JUMPS, MAX_NODES } from '../../domain/spec/types';
import type { NodeTarget, SshAccess, SshHop } from '../../domain/spec/types';
import * as field from './fields';
import { list, object } from './object';
import type { InputSchemas } from './types';

/** A known_hosts file has a handful per host, and more only where old ones are revoked. */
const MAX_HOST_KEYS = 1_000;

/** Preflight numbers its jobs by a hundred thousand per attempt, see activities/node.ts. */
const inspectionAttempt = spec.wholeNumber(0, 9);

const MAX_LOG_BYTES = 16 * 1_024 * 1_024;

/** Of one reboot; each is cut when it is remembered. */
const MAX_REASONS = 100;
const MAX_REASON_CHARS = 1_000;

const port = spec.wholeNumber(1, 65_535);
const hostKeys = list(field.parsedHostKey, MAX_HOST_KEYS);

const hop = object<SshHop>({ host: spec.host, port, user: spec.userName, identity: spec.identity, hostKeys });

const ssh = object<SshAccess>({
  user: spec.userName,
  port,
  identity: spec.identity,
  helper: spec.choice(HELPER_MODES),
  transport: z.literal('openssh', { error: 'openssh, or absent' }).optional(),
  jump: list(hop, MAX_JUMPS).optional(),
});

export const nodeTarget = object<NodeTarget>({
  cluster: spec.clusterName,
  name: spec.nodeName,
  host: spec.host,
  ssh,
  hostKeys,
});

const { shape } = packagesSchema;
const packages = object<PackagePolicy>({ ...shape, onHidden: shape.onHidden });

const { mode, services, ignore, asReboot } = restartMapping.shape;
const restartPolicy = object<RestartPolicy>({ mode, services, ignore, asReboot });

const { name, reason } = ignoredOwner.shape;
export const ignoredOwners = list(object<IgnoredRebootOwner>({ name, reason }), REBOOT_OWNERS.length);

const inspectionPolicy = object<InspectionPolicy>({
  rebootOwners: object<RebootOwnerPolicy>({ ignore: ignoredOwners }).optional(),
  withoutDrain: spec.flag(),
  rebootIfRequired: spec.flag(),
  packages: packages.optional(),
});

const ineffectiveReboot = object<IneffectiveReboot>({
  bootId: field.code,
  reasons: list(field.singleLine(MAX_REASON_CHARS), MAX_REASONS),
  stamp: field.singleLine(MAX_REASON_CHARS).nullable(),
});

const target = nodeTarget;
const unreachableTimeoutMs = field.timeoutMs;
const ofJob = { token: field.token, attempt: field.jobAttempt };
const ofTransaction = { packages: packages.optional(), lockTimeoutMs: field.timeoutMs.optional() };
const ofPlan = { planDigest: field.planDigest, planned: field.count };
const ofWait = {
  lostTimeoutMs: field.timeoutMs,
  noticeAfterMs: field.timeoutMs.optional(),
  observedMs: field.observedMs.optional(),
  jobMs: field.observedMs.optional(),
};
const beginBy = { beginByMs: field.epochMs.optional() };
const observedMs = field.observedMs.optional();

export const NODE_INPUTS: InputSchemas<NodeActivities> = {
  preflight: object<PreflightInput>({
    ...{ target, token: field.token, attempt: inspectionAttempt, withoutDrain: spec.flag() },
    ignoredOwners: ignoredOwners.optional(),
    ...ofTransaction,
    ...{ unreachableTimeoutMs, observedMs },
  }),
  prefetch: object<PrefetchInput>({
    ...{ target, packageManager: field.code, unreachableTimeoutMs },
    ...ofJob,
    ...ofTransaction,
    ...ofPlan,
  }),
  apply: object<ApplyInput>({
    ...{ target, packageManager: field.code.optional() },
    ...ofJob,
    ...ofTransaction,
    ...ofPlan,
    ...ofWait,
    ...beginBy,
  }),
  repair: object<RepairInput>({
    ...{ target, packageManager: field.code.optional() },
    ...ofJob,
    ...ofTransaction,
    ...ofWait,
  }),
  restart: object<RestartInput>({
    ...{ target, policy: restartPolicy, drained: spec.flag() },
    ...ofJob,
    ...ofWait,
    ...beginBy,
  }),
  reboot: object<RebootInput>({
    ...{ target, bootId: field.bootId, command: spec.programName.optional() },
    ...ofWait,
    ...beginBy,
  }),
  powerCycle: object<PowerCycleInput>({ target, hook: spec.programName }),
  inspectFailedNode: object<InspectFailedInput>({
    ...{ target, token: field.token, attempt: inspectionAttempt, packages: packages.optional(), unreachableTimeoutMs },
  }),
  readFacts: object<TargetInput>({ target, unreachableTimeoutMs, observedMs }),
  inspectNode: object<InspectInput>({
    ...{ target, unreachableTimeoutMs, observedMs, policy: inspectionPolicy },
    factsLimitMs: field.timeoutMs,
    planLimitMs: field.timeoutMs,
    ineffectiveReboot: ineffectiveReboot.optional(),
    changeNothing: field.flagSet.optional(),
  }),
  unreachableNodes: object<{ targets: NodeTarget[] }>({ targets: list(target, MAX_NODES) }),
  probeHostKeys: object<{ targets: NodeTarget[] }>({ targets: list(target, MAX_NODES) }),
  readLog: object<ReadLogInput>({
    ...{ target, unreachableTimeoutMs, observedMs },
    token: field.token.nullable(),
    maxBytes: spec.wholeNumber(1, MAX_LOG_BYTES),
  }),
};
