/** The schema of a spec of type eks, its field descriptions, and why the other fields do not apply. */
import { z } from 'zod';
import type { EksPolicy } from '../eks/policy';
import { MAX_NODE_GROUPS, NODE_GROUP_NAME } from '../eks/node-groups';
import * as field from './fields';
import type { SpecIssue } from './issues';
import { renderPath, show } from './issues';
import { nodeGroupAlertsSchema } from './alerts-section';
import { nodeGroupRolloutSchema } from './rollout-section';
import { blackoutsSchema } from './blackout-section';
import { notificationsSchema } from './notifications-section';
import { scheduleSchema } from './schedule-section';
import { defined } from '../shared/defined';

const groupForm = 'the name of a node group: at most 63 letters, digits, hyphens and underscores';
const groupsForm = `all, or a list of 1 to ${MAX_NODE_GROUPS} names of node groups`;
const clusterForm = 'the name of an EKS cluster: at most 100 letters, digits, hyphens and underscores';
const regionForm = 'an AWS region, e.g. eu-central-1';
const profileForm = 'the bare name of a profile in the AWS configuration of the worker, e.g. patching';
const endpointForm = 'an https address without a path, or an http address of this machine, e.g. http://127.0.0.1:4566';

const LOOPBACK = String.raw`http://(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])`;
const ENDPOINT = new RegExp(String.raw`^(https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}|${LOOPBACK})(:\d{1,5})?/?$`);

function text(pattern: RegExp, allowed: string) {
  return z.string({ error: allowed }).regex(pattern, { error: allowed });
}

const nodeGroups = z.union(
  [
    z.literal('all'),
    z
      .array(text(NODE_GROUP_NAME, groupForm))
      .min(1, { error: groupsForm })
      .max(MAX_NODE_GROUPS, { error: ({ input }) => tooManyMessage(input) })
      .refine((names) => twice(names) === undefined, {
        error: ({ input }) => `found ${show(twice(input))} twice; allowed: each name once`,
      }),
  ],
  { error: groupsForm },
);

export const eksFields = z.strictObject(
  {
    region: text(/^[a-z]{2,3}(-[a-z]+){1,3}-\d{1,2}$/, regionForm).describe(
      'AWS region of the cluster, e.g. eu-central-1.',
    ),
    cluster: text(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, clusterForm).describe('Name of the cluster at AWS.'),
    nodeGroups: nodeGroups
      .default('all')
      .describe('Which managed node groups are updated: all that exist when a run starts, or these, in this order.'),
    force: field
      .flag()
      .default(false)
      .describe('true: AWS replaces nodes even when their pods cannot be evicted. false: such an update fails.'),
    launchTemplates: field
      .flag()
      .default(false)
      .describe(
        'true: node groups with a launch template are updated too, and keep the template. false: such groups are refused by name. A group whose template brings its own image is always refused.',
      ),
    profile: text(/^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}$/, profileForm)
      .optional()
      .describe(
        'Profile of the AWS configuration on the worker. Default: the default chain of AWS (environment, web identity, instance role, ...).',
      ),
    endpoint: text(ENDPOINT, endpointForm)
      .optional()
      .describe('Base address of the EKS API, for a VPC endpoint. Default: the public endpoint of the region.'),
  },
  { error: 'a mapping with at least region and cluster' },
);

const patching = z.strictObject(
  {
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
    rollout: nodeGroupRolloutSchema.prefault({}).describe('How a run goes through the node groups.'),
    maxRunAge: field.maxRunAge,
  },
  { error: 'a mapping with timeZone, schedule, blackouts, rollout and maxRunAge' },
);

/** `header`: the fields common to all specs. */
export function eksDocument<H extends z.core.$ZodShape>(header: H) {
  return z.strictObject(
    {
      ...header,
      type: z.literal('eks').describe('Managed node groups of Amazon EKS, which AWS updates on request of ospatch.'),
      eks: eksFields.describe('The EKS cluster and its node groups to update.'),
      alerts: nodeGroupAlertsSchema.optional().describe('Alerts that hold the next node group. Default: none.'),
      taskQueue: field.taskQueue
        .optional()
        .describe(
          'Task queue of the workers that call AWS, when only some workers have the credentials or the network access: ospatch worker --task-queue NAME. Default: the common task queue of all workers.',
        ),
      patching: patching.prefault({}).describe('When the node groups are updated, and how.'),
      notifications: notificationsSchema
        .optional()
        .describe(
          "Who is told of what happens, each a mapping with name, on, and exactly one of webhook, slack, teams, email and program. []: nobody. Default: the targets of the workers' file (OSPATCH_NOTIFICATIONS), if there is one.",
        ),
    },
    { error: 'a mapping with apiVersion, name, type, eks, alerts, taskQueue, patching and notifications' },
  );
}

/** Fills in the defaults of a valid `eks` section; optional fields without a default stay absent. */
export function normaliseEks({ profile, endpoint, ...rest }: z.output<typeof eksFields>): EksPolicy {
  return {
    ...rest,
    ...defined({ profile, endpoint: endpoint === undefined ? undefined : endpoint.replace(/\/$/, '') }),
  };
}

/** Why fields of a self-managed cluster do not apply to type eks. */
const REPLACED = 'AWS replaces the nodes of a node group with new ones';
const NOT_FOR_EKS: Record<string, string> = {
  nodes: 'AWS creates the nodes of a node group; name the groups in eks.nodeGroups',
  ssh: `${REPLACED}, so nothing is done over SSH`,
  kubernetes: 'AWS drains the nodes it replaces, by its own rules; see eks.force',
  'alerts.silence': `${REPLACED}, whose names nobody knows before`,
  'patching.patchOnBoot': 'AWS starts new nodes at the release of their node group',
  'patching.rebootIfRequired': `${REPLACED}, so nothing is rebooted`,
  'patching.rebootCommand': `${REPLACED}, so nothing is rebooted`,
  'patching.rebootOwners': `${REPLACED}, so nothing is rebooted`,
  'patching.restartServices': `${REPLACED}, so nothing is restarted`,
  'patching.powerCycleHook': `${REPLACED}, so nothing is rebooted`,
  'patching.packages': `${REPLACED} of a release as a whole, so no packages can be chosen`,
  'patching.unreachableTimeout': `${REPLACED}, so no node is contacted`,
  'patching.lockTimeout': `${REPLACED}, so no node is contacted`,
  'patching.onWindowEnd':
    'an update that AWS has begun cannot be stopped; the next node group is not started after the window',
  'patching.withoutDrain': 'AWS drains the nodes it replaces; see eks.force',
  'patching.rollout.order': 'node groups have no roles; they are taken in the order of eks.nodeGroups',
};

/** Adds to each issue about a field of other cluster types why the field does not apply. */
export function explainEksIssues(issues: readonly SpecIssue[]): SpecIssue[] {
  return issues.map((issue) => {
    const why = issue.at === 'key' ? NOT_FOR_EKS[renderPath(issue.path)] : undefined;
    return why === undefined ? issue : { ...issue, message: `not for a cluster of type eks: ${why}; remove it` };
  });
}

function tooManyMessage(input: unknown): string {
  return `found a list of ${Array.isArray(input) ? input.length : 'too many'} names; allowed: ${groupsForm}`;
}

function twice(names: unknown): unknown {
  return Array.isArray(names) ? names.find((name, at) => names.indexOf(name) !== at) : undefined;
}
