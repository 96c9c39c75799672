/** Schemas of the inputs of notification activities. */
import { z } from 'zod';
import type { NotificationActivities, NotifyInput } from '../../contract/activities/notification';
import { NOTIFICATION_EVENTS } from '../../domain/notifications/types';
import type { AnyTarget } from '../../domain/notifications/types';
import type { Report } from '../../domain/notifications/report';
import * as spec from '../../domain/spec/fields';
import { NODE_OUTCOMES } from '../../domain/node/status';
import { REPORTED_HOLDS } from '../../domain/run/hold-report';
import { RUN_TRIGGERS } from '../../domain/run/run';
import { notificationsSchema, normaliseNotifications } from '../../domain/spec/notifications-section';
import * as field from './fields';
import { list, object } from './object';
import type { InputSchemas } from './types';

const MAX_TEXT = 2_000;
const text = z.string({ error: 'text' }).max(MAX_TEXT, { error: `at most ${MAX_TEXT} characters` });
const short = z.string({ error: 'text' }).max(300, { error: 'at most 300 characters' });
const event = z.enum(NOTIFICATION_EVENTS, { error: NOTIFICATION_EVENTS.join(', ') });

const ofWorker = z.object({
  name: short,
  on: z.array(z.unknown()).max(50),
  fromWorker: z.literal(true),
  canEdit: z.literal(true).optional(),
});
const ofSpec = z.unknown().transform((value, check) => {
  const parsed = notificationsSchema.safeParse([value]);
  const [target] = parsed.success ? normaliseNotifications(parsed.data) : [];
  if (target !== undefined) return target;
  check.addIssue({ code: 'custom', message: 'a target of notifications' });
  return z.NEVER;
});
const target = z.union([ofWorker, ofSpec], { error: 'a target of notifications' }) as unknown as z.ZodType<AnyTarget>;

const members = z.object({ count: field.count, names: z.array(short).max(10) });
const troubled = z
  .array(z.object({ name: short, message: text, remedy: text.optional(), changed: z.literal(true).optional() }))
  .max(10);
const at = z.string({ error: 'a time' }).max(40, { error: 'a time' });
const amount = field.count;
const waits = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('paused'), by: short, reason: text.nullable(), since: at }),
  z.object({ kind: z.literal('budget'), failures: amount, limit: amount }),
  z.object({ kind: z.literal('held'), limit: z.enum(REPORTED_HOLDS), message: text, since: at }),
  z.object({ kind: z.literal('window'), next: at.nullable() }),
]);
const paused = z.object({ by: short, reason: text.nullable() }).optional();
const end = z.object({
  at,
  outcome: z.enum(['succeeded', 'failed', 'stopped', 'cancelled', 'expired']),
  cancelledBy: short.optional(),
  error: text.optional(),
});
const report = z.discriminatedUnion(
  'kind',
  [
    z.object({
      ...{ kind: z.literal('run'), run: field.runNumber, trigger: z.enum(RUN_TRIGGERS) },
      ...{ unit: z.enum(['node', 'node group']), by: short.nullable(), reason: text.nullable(), startedAt: at },
      ...{ total: amount.nullable(), members: z.partialRecord(z.enum(NODE_OUTCOMES), members) },
      ...{ failed: troubled, quarantined: troubled, unreachable: troubled, waits: waits.optional() },
      ...{ cancelling: z.literal(true).optional(), removing: z.literal(true).optional(), paused },
      ...{ expiresAt: at.optional(), end: end.optional(), nextWindow: at.nullable(), reboots: z.boolean() },
    }),
    z.object({ kind: z.literal('window'), window: at, result: text, paused, nextWindow: at.nullable() }),
    z.object({
      ...{ kind: z.literal('reboot'), after: short, nodes: members, since: at, newest: at },
      ...{ reboots: z.boolean(), paused, nextWindow: at.nullable() },
    }),
    z.object({ kind: z.literal('stuck'), at, cause: z.enum(['loop', 'windows']), message: text }),
    z.object({ kind: z.literal('test'), by: short }),
  ],
  { error: 'a report' },
) as unknown as z.ZodType<Report>;

const thread = z.object({ id: short, place: short.optional() }).nullable();

export const NOTIFICATION_INPUTS: InputSchemas<NotificationActivities> = {
  notificationDefaults: object<{ cluster: string }>({ cluster: spec.clusterName }),
  notify: object<NotifyInput>({
    ...{ cluster: spec.clusterName, createdAt: field.instant, target, report, at: field.instant },
    news: list(z.object({ event, key: short, after: short.optional() }) as never, 50),
    thread: thread as never,
  }),
};
