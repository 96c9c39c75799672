/** What an activity asks of a worker, in the words of its policy. */
import type { AlertmanagerAccess } from '../alerts/types';
import type { NotificationTarget } from '../notifications/types';
import { SLACK_API } from '../notifications/types';
import type { EksAccess } from '../eks/policy';
import type { KubernetesAccess } from '../kubernetes/types';
import type { NodeTarget } from '../spec/types';

/** A request is allowed as a whole, by one rule, or not at all. */
export interface PolicyRequest {
  cluster: string;
  demands: Demand[];
}

/** Lists of a rule whose entries are compared with one value. */
export const LISTED_FIELDS = [
  'ports',
  'users',
  'identities',
  'powerCycleHooks',
  'rebootCommands',
  'calendars',
  'taskQueues',
] as const;
export type ListedField = (typeof LISTED_FIELDS)[number];

/** `path`: the field of the spec, for messages, e.g. `ssh.user`. */
export type Demand = { path: string } & (
  | { kind: 'listed'; field: ListedField; value: string | number }
  | { kind: 'host'; host: string }
  | { kind: 'jumpHost'; host: string; port: number; user: string; identity: string }
  | { kind: 'kubeconfig'; access: KubernetesAccess }
  | { kind: 'aws'; access: EksAccess }
  | { kind: 'alertmanager'; url: string; credentials: string | null }
  /** Where a notification is sent to; the file of the worker with a secret of it, or a program that it is given to. */
  | { kind: 'notificationHost'; host: string }
  | { kind: 'notificationSecret'; file: string }
  | { kind: 'notificationProgram'; program: string }
);

/** A login on a node. `prefix`: of the paths, e.g. `nodes[2].`. */
export function loginDemands({ host, ssh }: Pick<NodeTarget, 'host' | 'ssh'>, prefix = ''): Demand[] {
  return [
    { kind: 'host', path: `${prefix}host`, host },
    listed('ports', `${prefix}ssh.port`, ssh.port),
    listed('users', `${prefix}ssh.user`, ssh.user),
    listed('identities', `${prefix}ssh.identity`, ssh.identity),
    ...(ssh.jump ?? []).map(({ host: hop, port, user, identity }, at): Demand => ({
      kind: 'jumpHost',
      path: `${prefix}ssh.jump[${at}]`,
      host: hop,
      port,
      user,
      identity,
    })),
  ];
}

export function listed(field: ListedField, path: string, value: string | number): Demand {
  return { kind: 'listed', field, path, value };
}

export function kubernetesDemand(access: KubernetesAccess): Demand {
  return { kind: 'kubeconfig', path: 'kubernetes.kubeconfig', access };
}

/** The host, the files and the program that a target of notifications names. The host of a URL in a file is not known here. */
export function notificationDemands({ name, webhook, slack, teams, email, program }: NotificationTarget): Demand[] {
  const at = (field: string): string => `notifications (${name}).${field}`;
  const host = (field: string, value: string | undefined): Demand[] =>
    value === undefined ? [] : [{ kind: 'notificationHost', path: at(field), host: value }];
  const hostOf = (url: string | undefined): string | undefined =>
    /^https?:\/\/(?:\[([^\]]*)\]|([^:/]+))/
      .exec(url ?? '')
      ?.slice(1)
      .find((one) => one !== undefined);
  const secret = (field: string, file: string | undefined): Demand[] =>
    file === undefined ? [] : [{ kind: 'notificationSecret', path: at(field), file }];
  return [
    ...host('webhook.url', hostOf(webhook?.url)),
    ...secret('webhook.urlFile', webhook?.urlFile),
    ...secret('webhook.signingKeyFile', webhook?.signingKeyFile),
    ...secret('webhook.caFile', webhook?.caFile),
    ...host('slack.endpoint', slack?.channel === undefined ? undefined : hostOf(slack.endpoint ?? SLACK_API)),
    ...secret('slack.urlFile', slack?.urlFile),
    ...secret('slack.tokenFile', slack?.tokenFile),
    ...secret('slack.caFile', slack?.caFile),
    ...secret('teams.urlFile', teams?.urlFile),
    ...secret('teams.caFile', teams?.caFile),
    ...host('email.host', email?.host),
    ...secret('email.passwordFile', email?.passwordFile),
    ...secret('email.caFile', email?.caFile),
    ...(program === undefined ? [] : [{ kind: 'notificationProgram' as const, path: at('program'), program }]),
  ];
}

/** One for each replica. */
export function alertmanagerDemands({ url, bearerTokenFile, basicAuth }: AlertmanagerAccess): Demand[] {
  const credentials = bearerTokenFile ?? basicAuth?.passwordFile ?? null;
  return url.map((one): Demand => ({ kind: 'alertmanager', path: 'alerts.alertmanager', url: one, credentials }));
}

export function awsDemand(access: EksAccess): Demand {
  return { kind: 'aws', path: 'eks', access };
}
