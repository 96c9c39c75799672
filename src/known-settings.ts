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

/** How Temporal is reached, as for the `temporal` CLI. Other programs have variables with this beginning too. */
const OF_TEMPORAL: readonly string[] = [
  'TEMPORAL_ADDRESS',
  'TEMPORAL_API_KEY',
  'TEMPORAL_CODEC_AUTH',
  'TEMPORAL_CODEC_ENDPOINT',
  'TEMPORAL_CONFIG_FILE',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_PROFILE',
  'TEMPORAL_TLS',
  'TEMPORAL_TLS_CLIENT_CERT_DATA',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_DATA',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION',
  'TEMPORAL_TLS_SERVER_CA_CERT_DATA',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  'TEMPORAL_TLS_SERVER_NAME',
  'TEMPORAL_UI_URL',
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
    const ours = name.startsWith('OSPATCH_');
    const known = ours ? SETTINGS : OF_TEMPORAL;
    if (!(ours || name.startsWith('TEMPORAL_')) || known.includes(name)) continue;
    if (OF_PROGRAMS.test(name) || OF_SERVICES.test(name)) continue;
    const meant = suggest(name, known);
    // It may be a setting of another program that uses Temporal.
    if (!ours && meant === null) continue;
    const hint = meant === null ? 'ospatch worker --help lists all settings' : `did you mean ${meant}?`;
    log.warn({ setting: name }, `there is no setting ${name}, so it has no effect; ${hint}`);
  }
}
