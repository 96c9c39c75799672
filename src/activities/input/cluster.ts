/** The inputs of the activities without a node. */
import { z } from 'zod';
import type {
  AdmissionRequest,
  AuditRecord,
  ClusterActivities,
  ExplainPolicyInput,
  NextWindowsInput,
  NodePatchExecution,
} from '../../contract/activities/cluster';
import type { PatchRecord } from '../../domain/cluster/member';
import type { NodeGroupRecord } from '../../domain/eks/record';
import type { NodePatchResult } from '../../domain/node/patch';
import { RUN_TRIGGERS } from '../../domain/run/run';
import { blackoutKinds } from '../../domain/spec/blackout-section';
import * as spec from '../../domain/spec/fields';
import { scheduleKinds } from '../../domain/spec/schedule-section';
import { MAX_BLACKOUTS, MAX_NODES, MAX_SCHEDULE_ENTRIES } from '../../domain/spec/types';
import type { Blackout, ScheduleEntry } from '../../domain/spec/types';
import type { Demand } from '../../domain/policy/request';
import { LISTED_FIELDS } from '../../domain/policy/request';
import type { SpecRequest } from '../../domain/policy/spec-requests';
import { REQUEST_KINDS } from '../../domain/policy/spec-requests';
import { access as eksAccess } from './eks';
import * as field from './fields';
import { list, object } from './object';
import type { InputSchemas } from './types';

const MAX_WINDOWS = 1_000;
/** Each is compared with all rules for the cluster. */
const MAX_REQUESTS = 500;
const MAX_DEMANDS = 60;

/** As in a normalised spec, which always says how late a run may start. */
function entry<T extends { startWithin: z.ZodOptional<z.ZodType<string>> }>({ startWithin, ...shape }: T) {
  return z.object({ ...shape, startWithin: startWithin.unwrap() });
}

const { preset, custom, cron, once } = scheduleKinds;
const scheduleEntry = z.union([entry(preset.shape), entry(custom.shape), entry(cron.shape), entry(once.shape)], {
  error: 'an entry of a schedule',
}) as unknown as z.ZodType<ScheduleEntry>;

const blackout = z.union([blackoutKinds.from, blackoutKinds.cron, blackoutKinds.ical], {
  error: 'a blackout',
}) as unknown as z.ZodType<Blackout>;

const nextWindows = object<NextWindowsInput>({
  ...{ cluster: spec.clusterName, timeZone: spec.timeZone },
  schedule: list(scheduleEntry, MAX_SCHEDULE_ENTRIES),
  blackouts: list(blackout, MAX_BLACKOUTS),
  ...{ since: field.instant, after: field.instant, now: field.instant },
  count: spec.wholeNumber(0, MAX_WINDOWS),
});

/** A part of a record that ospatch has written and only stores. */
const stored = z.unknown().optional();

/** All fields of both kinds of records: others would stand in the audit line beside or instead of those. */
const recordFields = {
  ...{ kind: stored, node: stored, run: stored, outcome: stored, startedAt: stored, endedAt: stored },
  ...{ appliedAt: stored, warnings: stored, steps: stored, error: stored, before: stored, after: stored },
};
const nodeFields = {
  ...{ token: stored, changes: stored, keptBack: stored, keptConfigFiles: stored, reboots: stored },
  ...{ pendingUpdates: stored, rebootReasons: stored, ineffectiveReboot: stored, waitingFor: stored },
  ...{ securityUpdates: stored, waitedMs: stored, drain: stored, restarts: stored, powerCycle: stored },
};
const groupFields = { updateId: stored, adopted: stored };
const OUTCOME = /^[a-z]{1,20}(?:-[a-z]{1,20}){0,3}$/;

const ofAnyRecord = {
  run: field.runNumber,
  outcome: z.string({ error: 'an outcome' }).regex(OUTCOME, { error: 'an outcome' }),
  startedAt: field.instant,
  endedAt: z.union([z.literal(''), field.instant], { error: 'a time, or empty' }),
  appliedAt: field.instant.nullable(),
};
const nodeRecord = z.object({
  ...(recordFields satisfies Partial<Record<keyof NodePatchResult, z.ZodType>>),
  ...(nodeFields satisfies Record<Exclude<keyof NodePatchResult, keyof typeof recordFields>, z.ZodType>),
  ...ofAnyRecord,
  kind: z.literal('node'),
  node: spec.nodeName,
});
const groupRecord = z.object({
  ...(recordFields satisfies Partial<Record<keyof NodeGroupRecord, z.ZodType>>),
  ...(groupFields satisfies Record<Exclude<keyof NodeGroupRecord, keyof typeof recordFields>, z.ZodType>),
  ...ofAnyRecord,
  kind: z.literal('node-group'),
  node: field.code,
});
const record = z.discriminatedUnion('kind', [nodeRecord, groupRecord], {
  error: 'the record of a node or of a node group',
}) as unknown as z.ZodType<PatchRecord>;

/** An id of a workflow has at most 1,000 characters. */
const MAX_SHORT = 1_000;
const short = z.string({ error: 'text' }).max(MAX_SHORT, { error: `at most ${MAX_SHORT} characters` });

const admission = object<AdmissionRequest>({
  ...{ cluster: short, name: short, sender: short, receivedAt: field.instant.optional(), sealed: z.boolean() },
  via: z.enum(['signal', 'update', 'start', 'cancel'], { error: 'signal, update, start, cancel' }),
  // Anything that anybody has sent.
  message: z.unknown().optional(),
  chain: z.string({ error: 'a digest' }).regex(/^[0-9a-f]{0,64}$/, { error: 'a digest' }),
});

const path = field.singleLine(200);
const demand = z.discriminatedUnion(
  'kind',
  [
    z.object({
      ...{ kind: z.literal('listed'), path, field: z.enum(LISTED_FIELDS) },
      value: z.union([field.singleLine(300), spec.wholeNumber(0, 65_535)]),
    }),
    z.object({ kind: z.literal('host'), path, host: spec.host }),
    z.object({
      ...{ kind: z.literal('jumpHost'), path, host: spec.host, port: spec.wholeNumber(1, 65_535) },
      ...{ user: spec.userName, identity: spec.identity },
    }),
    z.object({
      ...{ kind: z.literal('kubeconfig'), path },
      access: z.object({ kubeconfig: spec.kubeconfig, context: spec.kubeContext.optional() }),
    }),
    z.object({ kind: z.literal('aws'), path, access: eksAccess }),
    z.object({
      ...{ kind: z.literal('alertmanager'), path, url: field.singleLine(1_000) },
      credentials: field.singleLine(128).nullable(),
    }),
    z.object({ kind: z.literal('notificationHost'), path, host: spec.host }),
    z.object({ kind: z.literal('notificationSecret'), path, file: field.singleLine(128) }),
    z.object({ kind: z.literal('notificationProgram'), path, program: spec.programName }),
  ],
  { error: 'a demand' },
) as unknown as z.ZodType<Demand>;
const specRequest = object<SpecRequest>({
  kind: z.enum(REQUEST_KINDS, { error: REQUEST_KINDS.join(', ') }),
  node: spec.nodeName.nullable(),
  taskQueue: spec.taskQueue,
  demands: list(demand, MAX_DEMANDS),
});

const execution = object<NodePatchExecution>({ workflowId: field.workflowId, workflowRunId: field.workflowRunId });

export const CLUSTER_INPUTS: InputSchemas<ClusterActivities> = {
  nextWindows,
  nextWindowsByFiles: nextWindows,
  // Validated as a spec by the activity itself, which reports every problem.
  checkSpec: object<{ spec?: unknown }>({ spec: z.unknown().optional() }),
  checkFirstSpec: object<{ spec?: unknown; after: string; count: number; request: AdmissionRequest }>({
    spec: z.unknown().optional(),
    after: field.instant,
    count: spec.wholeNumber(0, MAX_WINDOWS),
    request: admission,
  }),
  admit: admission,
  // As for specs.
  checkState: object<{ state?: unknown; cluster: string }>({ state: z.unknown(), cluster: spec.clusterName }),
  searchAttributes: z.undefined({ error: 'nothing' }),
  recordAudit: object<AuditRecord>({
    cluster: spec.clusterName,
    trigger: z.enum(RUN_TRIGGERS, { error: RUN_TRIGGERS.join(', ') }),
    result: record,
  }),
  lastRun: object<{ cluster: string; createdAt: string; after: number }>({
    cluster: spec.clusterName,
    createdAt: field.instant,
    after: spec.wholeNumber(0, 2_000_000_000),
  }),
  awaitNodePatches: list(execution, MAX_NODES),
  cancelChildren: field.workflowId,
  explainPolicy: object<ExplainPolicyInput>({
    cluster: spec.clusterName,
    requests: list(specRequest, MAX_REQUESTS),
  }),
  awaitWorkflowClosed: field.workflowId,
};
