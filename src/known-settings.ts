/** The names of all settings: a misspelt one would be passed over in silence, and what it was to limit would not be limited. */
import { suggest } from './domain/spec/suggest';

export const SETTINGS: readonly string[] = [
  'OSPATCH_CACHE',
  'OSPATCH_CALENDAR_DIR',
  'OSPATCH_ENCRYPTION_KEYS',
  'OSPATCH_ENCRYPTION_REQUIRED',
  'OSPATCH_EXPORTER_LISTEN',
  'OSPATCH_HOOK_DIR',
  'OSPATCH_KEY_DIR',
  'OSPATCH_KUBECONFIG_DIR',
  'OSPATCH_LOG_LEVEL',
  'OSPATCH_MAX_ACTIVITIES',
  'OSPATCH_MAX_CACHED_WORKFLOWS',
  'OSPATCH_MAX_POLLERS',
  'OSPATCH_METRICS',
  'OSPATCH_NOTIFICATIONS',
  'OSPATCH_NOTIFY_DIR',
  'OSPATCH_PASSPHRASE_COMMAND',
  'OSPATCH_POD_UID',
  'OSPATCH_POLICY',
  'OSPATCH_SECRET_DIR',
  'OSPATCH_SIGNING_KEY',
  'OSPATCH_SSH_INCLUDE',
  'OSPATCH_TASK_QUEUE',
  'OSPATCH_WORKER_DEPLOYMENT',
];

/** What administrators pass to hooks and notification programs. */
const OF_PROGRAMS = /^OSPATCH_(?:HOOK|NOTIFY)_/;

/** Kubernetes tells pods of services, such as one that is called ospatch-exporter. */
const OF_SERVICES = /_(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

interface Log {
  warn(fields: Record<string, unknown>, message: string): void;
}

/** Warns of variables with the name of a setting that does not exist. */
export function warnOfUnknownSettings(env: NodeJS.ProcessEnv, log: Log): void {
  for (const name of Object.keys(env).sort()) {
    if (!name.startsWith('OSPATCH_') || SETTINGS.includes(name)) continue;
    if (OF_PROGRAMS.test(name) || OF_SERVICES.test(name)) continue;
    const meant = suggest(name, SETTINGS);
    const hint = meant === null ? 'ospatch worker --help lists all settings' : `did you mean ${meant}?`;
    log.warn({ setting: name }, `there is no setting ${name}, so it has no effect; ${hint}`);
  }
}
