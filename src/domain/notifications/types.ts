/** Who is told of what: the targets of notifications as a spec, or the file of a worker, names them. */
import type { ErrorInfo } from '../shared/errors';

export const NOTIFICATION_EVENTS = [
  'run-started',
  'run-waiting',
  'run-blocked',
  'run-finished',
  'node-failed',
  'node-quarantined',
  'node-unreachable',
  'window-missed',
  'reboot-pending-for',
  'cluster-stuck',
] as const;
export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number];

/** Events without a setting of their own. */
export type PlainEvent = Exclude<NotificationEvent, 'reboot-pending-for'>;

/** An entry of `on`. A duration has the form of the spec, e.g. `3d`. */
export type EventFilter = PlainEvent | { 'reboot-pending-for': string };

/** The name of a target and what it is told of. */
export interface TargetFilter {
  name: string;
  on: EventFilter[];
}

/** A URL, or the name of a file in the secrets directory of the worker that holds it. Exactly one is set. */
interface Address {
  url?: string;
  urlFile?: string;
}

/** Names of files in the secrets directory of the worker. */
interface Authorities {
  /** Certificates (PEM) that the server is verified by, instead of those of Node.js. */
  caFile?: string;
}

export interface WebhookTarget extends Address, Authorities {
  signingKeyFile?: string;
}

/** With `channel` and `tokenFile` through the API of Slack, else through an incoming webhook. */
export interface SlackTarget extends Address, Authorities {
  channel?: string;
  tokenFile?: string;
  endpoint?: string;
}

/** The endpoint of Slack itself. */
export const SLACK_API = 'https://slack.com/api';

export interface TeamsTarget extends Address, Authorities {}

export const SMTP_TLS = ['starttls', 'tls', 'none'] as const;

export interface EmailTarget extends Authorities {
  host: string;
  port: number;
  /** `starttls`: required, not tried. `none`: no user and no password is sent. */
  tls: (typeof SMTP_TLS)[number];
  user?: string;
  passwordFile?: string;
  from: string;
  to: string[];
}

/** The name of a program in the directory of notification programs of the worker. */
export type ProgramTarget = string;

export const TARGET_KINDS = ['webhook', 'slack', 'teams', 'email', 'program'] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

/** Exactly one of the kinds is set. */
export interface NotificationTarget extends TargetFilter {
  webhook?: WebhookTarget;
  slack?: SlackTarget;
  teams?: TeamsTarget;
  email?: EmailTarget;
  program?: ProgramTarget;
}

/** A target of the file of the worker, which only the worker knows. */
export interface WorkerTarget extends TargetFilter {
  fromWorker: true;
  /** As of a target of a spec. */
  canEdit?: true;
}

export type AnyTarget = NotificationTarget | WorkerTarget;

export function isWorkerTarget(target: AnyTarget): target is WorkerTarget {
  return 'fromWorker' in target;
}

/** What came of the test of one target. */
export type TargetTest = {
  target: string;
  /** The target is in the worker's own file. */
  fromWorker: boolean;
} & ({ answer: string } | { error: ErrorInfo });

export const MAX_TARGETS = 20;

/** A message can be changed after it was sent: it is kept up to date, and what is new stands in its thread. */
export function canEdit(target: AnyTarget): boolean {
  if (isWorkerTarget(target)) return target.canEdit === true;
  return target.slack?.channel !== undefined;
}
