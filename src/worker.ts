/** The worker: runs workflows and activities until it is stopped. */
import type { NativeConnectionOptions } from '@temporalio/worker';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { createActivities } from './activities';
import type { ActivityLog } from './activities/node';
import { requiredEncryption } from './activities/required-encryption';
import { protocolInterceptor, supportedProtocols, unknownActivity } from './activities/protocol';
import { TASK_QUEUE } from './contract/workflow-ids';
import { HEARTBEAT_INTERVAL_MS } from './domain/node/time-limits';
import { parsePassphraseCommand } from './ssh/builtin/passphrase';
import { CryptoPolicyFile } from './ssh/crypto-policy';
import type { KeyRing } from './encryption/key-ring';
import { encryptionRequiredFromEnv, keyRingFromEnv } from './encryption/key-ring';
import { acceptEmptyPayloads } from './empty-payloads';
import { readTemporalConfig } from './temporal-config';
import { checkTemporalFiles, forgetTemporalSecrets } from './temporal-files';
import { SpanExporter } from './tracing/exporter';
import type { TraceSettings } from './tracing/settings';
import { traceSettingsFromEnv } from './tracing/settings';
import { tracingInterceptor } from './tracing/tracing';
import { TemporalLog, findWorkflowOfRun } from './temporal-log';
import { redactedLog } from './redacted-log';
import { podUidFromEnv } from './kubernetes/drain/own-worker';
import { ServiceManager } from './service-manager';
import { packageVersion } from './version';
import { createPrivateDirectory, defaultDirectory } from './worker-directories';
import { warnOfUnknownSettings } from './known-settings';
import { loggedPolicy, policyPathFromEnv, warnOfPlainText } from './worker-policy';
import { deploymentNameFromEnv, deploymentOptions } from './worker-deployment';
import type { WorkerLimits } from './worker-limits';
import { limitOptions, workerLimitsFromEnv } from './worker-limits';
import type { ListenAddress } from './exporter/endpoints';
import { serveWorker } from './exporter/worker-endpoints';
import { METRICS_SETTING, Readiness, metricsAddressFromEnv, sdkMetrics } from './worker-metrics';
import type { WorkflowCode } from './workflow-code';
import { activityCode, workflowCode } from './workflow-code';
import { defined } from './domain/shared/defined';

/** Long enough for a heartbeat and a poll in flight. Jobs on nodes continue without the worker. */
const SHUTDOWN_GRACE = '10 seconds';

/** What clusters publish, encrypted: more than the 2 KiB of which the SDK warns at each publication. */
const MEMO_WARN_BYTES = 8 * 1024;

export type { ListenAddress } from './exporter/endpoints';
export type { TraceSettings } from './tracing/settings';

export interface WorkerOptions {
  connection: NativeConnectionOptions;
  namespace: string;
  taskQueue: string;
  /** For a site whose workflows run elsewhere. Default false. */
  activitiesOnly?: boolean;
  /** The policy that says what this worker may be asked for; null: everything. */
  policyPath: string | null;
  /** Directory of the private keys named in `identity`. */
  keyDir: string;
  /** Directory of the programs named in `patching.powerCycleHook`; null = none. */
  hookDir: string | null;
  /** Directory of the calendar files named in specs; null: none. */
  calendarDir: string | null;
  /** File with the worker's own targets of notifications; it need not exist. Null: none. */
  notificationsFile?: string | null;
  /** Directory of the programs named as targets of notifications. */
  notifyDir?: string | null;
  /** Directory of the kubeconfigs named in `kubernetes.kubeconfig`. */
  kubeconfigDir: string;
  /** UID of the pod in which this worker runs; null or absent: it is no pod. */
  podUid?: string | null;
  /** Directory of the secrets named in specs, e.g. in `alerts.alertmanager.bearerTokenFile`; null or absent: none. */
  secretDir?: string | null;
  /** Program and arguments that print a passphrase; the name of the identity is appended as an argument. */
  passphraseCommand?: readonly string[];
  /** File of the system-wide crypto policy, in the form of ssh_config; null or absent: none. */
  sshInclude?: string | null;
  /** Encrypts all payloads; null or absent: no encryption. */
  encryption?: KeyRing | null;
  /** Nothing that is not encrypted is acted upon. Default false. */
  encryptionRequired?: boolean;
  /** Capacity of the worker. */
  limits: WorkerLimits;
  /** Name of the Worker Deployment; null or absent: the worker is not versioned. */
  deployment?: string | null;
  /** Where metrics, `/healthz` and `/readyz` are served; null or absent: nowhere. */
  metrics?: ListenAddress | null;
  /** Where spans are sent; null or absent: they are not recorded. */
  traces?: TraceSettings | null;
  logLevel: string;
  /** Receives log lines; default standard output. */
  logTo?: { write(line: string): void };
}

/**
 * Settings from the environment: Temporal's own variables and file, `OSPATCH_TASK_QUEUE`, `OSPATCH_POLICY`, `OSPATCH_KEY_DIR`,
 * `OSPATCH_PASSPHRASE_COMMAND`, `OSPATCH_SSH_INCLUDE`, `OSPATCH_HOOK_DIR`, `OSPATCH_NOTIFICATIONS`, `OSPATCH_NOTIFY_DIR`, `OSPATCH_CALENDAR_DIR`, `OSPATCH_KUBECONFIG_DIR`, `OSPATCH_SECRET_DIR`, `OSPATCH_POD_UID`, `OSPATCH_ENCRYPTION_KEYS`,
 * `OSPATCH_ENCRYPTION_REQUIRED`, `OSPATCH_MAX_ACTIVITIES`, `OSPATCH_MAX_CACHED_WORKFLOWS`, `OSPATCH_MAX_POLLERS`, `OSPATCH_WORKER_DEPLOYMENT`,
 * `OSPATCH_METRICS`, `OSPATCH_LOG_LEVEL`; and those of OpenTelemetry for traces.
 *
 * @throws OspatchError `Usage`
 */
export function workerOptionsFromEnv(env: NodeJS.ProcessEnv, profile?: string): WorkerOptions {
  checkTemporalFiles(env, profile);
  const config = readTemporalConfig(env, profile);
  const passphraseCommand = parsePassphraseCommand(env['OSPATCH_PASSPHRASE_COMMAND']);
  const encryption = keyRingFromEnv(env);
  const sshInclude = env['OSPATCH_SSH_INCLUDE'] ?? null;
  // A policy that cannot be used is known now, not at the first node.
  new CryptoPolicyFile(sshInclude).current();
  return {
    ...defined({ passphraseCommand }),
    sshInclude,
    connection: config.connectionOptions,
    namespace: config.namespace ?? 'default',
    taskQueue: env['OSPATCH_TASK_QUEUE'] ?? TASK_QUEUE,
    encryption,
    encryptionRequired: encryptionRequiredFromEnv(env, encryption),
    policyPath: policyPathFromEnv(env),
    keyDir: env['OSPATCH_KEY_DIR'] ?? defaultDirectory('keys', env),
    hookDir: env['OSPATCH_HOOK_DIR'] ?? null,
    calendarDir: env['OSPATCH_CALENDAR_DIR'] ?? null,
    notificationsFile: env['OSPATCH_NOTIFICATIONS'] ?? defaultDirectory('notifications.yaml', env),
    notifyDir: env['OSPATCH_NOTIFY_DIR'] ?? defaultDirectory('notify.d', env),
    kubeconfigDir: env['OSPATCH_KUBECONFIG_DIR'] ?? defaultDirectory('kubeconfigs', env),
    podUid: podUidFromEnv(env),
    secretDir: env['OSPATCH_SECRET_DIR'] ?? defaultDirectory('secrets', env),
    limits: workerLimitsFromEnv(env),
    deployment: deploymentNameFromEnv(env),
    metrics: metricsAddressFromEnv(env),
    traces: traceSettingsFromEnv(env),
    logLevel: env['OSPATCH_LOG_LEVEL'] ?? 'info',
  };
}

/**
 * Runs a worker until SIGINT, SIGTERM or `stop`, then abandons running activities. `onReady` is called when polling
 * starts.
 */
export async function runWorker(
  options: WorkerOptions,
  onReady: (worker: Worker) => void = () => undefined,
): Promise<void> {
  const log = redactedLog(options.logLevel, options.logTo);
  const temporalLog = new TemporalLog(log);
  const readiness = new Readiness();
  const endpoints = options.metrics
    ? await serveWorker(options.metrics, METRICS_SETTING, () => readiness.problem())
    : null;
  Runtime.install({
    logger: temporalLog.logger,
    telemetryOptions: {
      logging: { filter: { core: 'WARN' }, forward: {} },
      ...defined({ metrics: endpoints === null ? undefined : sdkMetrics(endpoints.sdkAddress) }),
    },
  });
  try {
    await connectAndRun(options, { log, temporalLog, readiness, onReady });
  } finally {
    await endpoints?.close();
  }
}

interface WorkerContext {
  log: ReturnType<typeof redactedLog>;
  temporalLog: TemporalLog;
  readiness: Readiness;
  onReady: (worker: Worker) => void;
}

async function connectAndRun(
  options: WorkerOptions,
  { log, temporalLog, readiness, onReady }: WorkerContext,
): Promise<void> {
  acceptEmptyPayloads();
  const connection = await NativeConnection.connect({
    ...options.connection,
    payloadLimits: { ...options.connection.payloadLimits, memoWarnSize: MEMO_WARN_BYTES },
  });
  temporalLog.workflowOf = (runId) => findWorkflowOfRun(connection, options.namespace, runId);
  const { keyDir, hookDir, calendarDir, kubeconfigDir, secretDir = null, podUid } = options;
  const { passphraseCommand, sshInclude, notificationsFile, notifyDir } = options;
  createDefaultDirectories(options, log);
  const policy = loggedPolicy(options.policyPath, log);
  warnOfPlainText(options.connection, log);
  warnOfUnknownSettings(process.env, log);
  const { activities, close } = createActivities({
    policy,
    keyDir,
    hookDir,
    calendarDir,
    kubeconfigDir,
    secretDir,
    ...defined({ passphraseCommand, sshInclude, podUid, encryptionRequired: options.encryptionRequired }),
    ...defined({ notificationsFile, notifyDir }),
    log,
  });
  const supported = supportedProtocols(packageVersion());
  const spans = options.traces ? new SpanExporter(options.traces, log) : null;
  const version = deploymentOf(options);
  const requiresEncryption = options.encryptionRequired === true;
  const code: WorkflowCode =
    options.activitiesOnly === true
      ? activityCode(options.encryption ?? null)
      : workflowCode(options.encryption ?? null, { isVersioned: version !== null, requiresEncryption, spans });
  try {
    const worker = await Worker.create({
      connection,
      namespace: options.namespace,
      taskQueue: options.taskQueue,
      activities: { ...activities, default: unknownActivity(supported) },
      ...code,
      ...defined({ workerDeploymentOptions: version ?? undefined }),
      interceptors: {
        ...code.interceptors,
        activity: [
          ...(spans === null ? [] : [tracingInterceptor(spans)]),
          protocolInterceptor(supported),
          ...(requiresEncryption ? [requiredEncryption()] : []),
        ],
      },
      ...limitOptions(options.limits),
      shutdownGraceTime: SHUTDOWN_GRACE,
      maxHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_INTERVAL_MS,
    });
    const { taskQueue, namespace, encryption } = options;
    const encrypted = defined({
      encryptionKey: encryption ? encryption.keys[0].id : undefined,
      encryptionRequired: requiresEncryption || undefined,
    });
    const versioned = defined({ deployment: version === null ? undefined : version.version });
    log.info(
      { taskQueue, namespace, address: options.connection.address, ...encrypted, ...versioned },
      'worker started',
    );
    readiness.watch(worker, connection);
    onReady(worker);
    await runAsService(worker, new ServiceManager({ env: process.env, log }), `polls ${taskQueue} in ${namespace}`);
    log.info('worker stopped');
  } finally {
    await spans?.close();
    await close();
    await connection.close();
  }
}

/** Runs the worker to its end, and tells systemd when it polls and when it stops. */
async function runAsService(worker: Worker, service: ServiceManager, status: string): Promise<void> {
  const stopping = (): void => void service.stopping('hands over what runs; jobs on nodes continue');
  process.once('SIGTERM', stopping);
  try {
    const ended = worker.run();
    service.ready(status, () => worker.getState() === 'RUNNING');
    await ended;
  } finally {
    process.off('SIGTERM', stopping);
    await service.stopping('stopped');
  }
}

/** A directory that was named is left alone: it may be a mount that is missing. */
function createDefaultDirectories({ keyDir, kubeconfigDir, secretDir }: WorkerOptions, log: ActivityLog): void {
  const isDefault = {
    keyDir: keyDir === defaultDirectory('keys', process.env),
    kubeconfigDir: kubeconfigDir === defaultDirectory('kubeconfigs', process.env),
    secretDir: secretDir === defaultDirectory('secrets', process.env),
  };
  for (const [setting, directory] of Object.entries({ keyDir, kubeconfigDir, secretDir })) {
    if (!isDefault[setting as keyof typeof isDefault] || typeof directory !== 'string') continue;
    const why = createPrivateDirectory(directory);
    if (why !== null) log.warn({ directory, why }, 'a directory of the worker cannot be created');
  }
}

/**
 * A worker without workflows is not versioned: Temporal would give it only the activities of its own version's runs,
 * and a site has one kind of worker for all versions.
 */
function deploymentOf({
  deployment = null,
  activitiesOnly = false,
}: WorkerOptions): ReturnType<typeof deploymentOptions> | null {
  return deployment === null || activitiesOnly ? null : deploymentOptions(deployment, packageVersion());
}

if (require.main === module) {
  const run = async (): Promise<void> => {
    const options = workerOptionsFromEnv(process.env);
    forgetTemporalSecrets(process.env);
    await runWorker(options);
  };
  run().catch((error: unknown) => {
    process.stderr.write(
      `error: the worker could not run: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  });
}
