import { Client, Connection } from '@temporalio/client';
import type { ConnectionOptions } from '@temporalio/client';
import { TASK_QUEUE } from '../contract/workflow-ids';
import { defined } from '../domain/shared/defined';
import { OspatchError, isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { dataConverter } from '../encryption/data-converter';
import { keyRingFromEnv, readKeyRing } from '../encryption/key-ring';
import { CALL_RETRIES } from '../call-retries';
import { noServer, unreachableServer, wrongTls } from './errors';
import { QUERY_RETRIES } from './query-retries';
import { connectProblem } from './reachability';
import type { TlsSettings } from './tls-probe';
import { tlsProblem } from './tls-probe';
import { readTemporalConfig, usesTls } from '../temporal-config';
import type { Sign } from './signed-message';

const DEFAULT_ADDRESS = 'localhost:7233';
/**
 * When a worker dies during a workflow task, the server passes the task and all later queries to another worker only
 * after the task timeout of 10 s.
 */
const DEFAULT_DEADLINE_MS = 15_000;
/** After this time it is looked into why there is no connection. */
const FIRST_ATTEMPT_MS = 1_000;

/**
 * As the `temporal` CLI has it. A page of a history may have 256 events of up to 2 MiB; gRPC takes 4 MiB unless told
 * otherwise, which the SDK does under a name that gRPC does not know.
 */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;

/** All optional; defaults come from the environment variables and the file of the `temporal` CLI. */
export interface ConnectOptions {
  /** `host:port` of the Temporal frontend. */
  address?: string;
  namespace?: string;
  /** Profile in Temporal's configuration file. */
  profile?: string;
  /** Task queue of the workers; default `OSPATCH_TASK_QUEUE` or `ospatch`. */
  taskQueue?: string;
  /** Directory of the payload encryption keys; default `OSPATCH_ENCRYPTION_KEYS`. */
  encryptionKeys?: string;
  /** Timeout of a single call, in milliseconds. Default 15 s. */
  deadlineMs?: number;
  /** The sender of requests, for the history; default: user and host of this process. */
  by?: string;
  /**
   * Signs requests: the file of a private key, or of a public key whose private half is in the agent or on a FIDO token. Default
   * `OSPATCH_SIGNING_KEY`; the empty string: requests are not signed.
   */
  signWith?: string;
  /** Gets what a person has to do for a signature, e.g. touch a token. */
  onSigning?: (line: string) => void;
}

export interface TemporalSession {
  client: Client;
  /** Ids of the available payload encryption keys; the first one encrypts. Empty: no encryption. */
  keyIds: readonly string[];
  address: string;
  namespace: string;
  taskQueue: string;
  deadlineMs: number;
  /** Signs requests. Absent: they are not signed. */
  sign?: Sign;
  /** Absent: not known. */
  hasTls?: boolean;
}

/**
 * Opens a connection.
 * @throws OspatchError `NoServer` when nothing listens there, or nothing answers in time; `Usage` when the configuration
 * cannot be read.
 */
export async function connect(options: ConnectOptions): Promise<TemporalSession> {
  const config = readTemporalConfig(process.env, options.profile);
  const keys = options.encryptionKeys;
  const ring = keys === undefined ? keyRingFromEnv(process.env) : readKeyRing(keys);
  const address = options.address ?? config.connectionOptions.address ?? DEFAULT_ADDRESS;
  const namespace = options.namespace ?? config.namespace ?? 'default';
  assertAddress(address);
  const sign = await signerOf(options);
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const problem = await connectProblem(address, process.env);
  if (problem !== null) throw unreachableServer(address, problem);
  const tls = usesTls(config.connectionOptions);
  try {
    const connection = await connected(
      {
        ...config.connectionOptions,
        address,
        interceptors: [...CALL_RETRIES],
        channelArgs: { 'grpc.max_receive_message_length': MAX_ANSWER_BYTES },
      },
      address,
      deadlineMs,
    );
    return {
      // A removed cluster still answers queries while Temporal keeps its workflow; it must not appear managed.
      client: new Client({
        connection,
        namespace,
        workflow: { queryRejectCondition: 'NOT_OPEN' },
        interceptors: { workflow: [QUERY_RETRIES] },
        dataConverter: dataConverter(ring, 'throw'),
      }),
      keyIds: (ring?.keys ?? []).map(({ id }) => id),
      address,
      namespace,
      taskQueue: options.taskQueue ?? process.env['OSPATCH_TASK_QUEUE'] ?? TASK_QUEUE,
      deadlineMs,
      ...defined({ sign }),
      hasTls: tls,
    };
  } catch (error) {
    throw isOspatchError(error) ? error : noServer({ address, tls }, error);
  }
}

/**
 * Says within about a second when TLS can never succeed, which gRPC tries until the timeout.
 *
 * @throws OspatchError `NoServer`, or an error of the SDK
 */
async function connected(options: ConnectionOptions, address: string, deadlineMs: number): Promise<Connection> {
  const until = Date.now() + deadlineMs;
  let first: Connection | null = null;
  try {
    first = Connection.lazy({ ...options, connectTimeout: Math.min(deadlineMs, FIRST_ATTEMPT_MS) });
    await first.ensureConnected();
    return first;
  } catch (error) {
    await first?.close();
    const problem = usesTls(options) ? await tlsProblem(address, tlsSettings(options), process.env) : null;
    if (problem !== null) throw wrongTls(address, problem, error);
    const leftMs = until - Date.now();
    // An answer that came in time would be the same again.
    if (leftMs <= 0 || deadlineMs - leftMs < FIRST_ATTEMPT_MS) throw error;
    return Connection.connect({ ...options, connectTimeout: leftMs });
  }
}

function tlsSettings({ tls }: ConnectionOptions): TlsSettings {
  return typeof tls === 'object' && tls !== null ? tls : {};
}

/** @throws OspatchError `Usage` when there is no such key */
async function signerOf({ signWith, onSigning }: ConnectOptions): Promise<Sign | undefined> {
  const key = signWith ?? process.env['OSPATCH_SIGNING_KEY'] ?? '';
  if (key === '') return undefined;
  const [{ signingKeyAt }, { signerWith }] = await Promise.all([
    import('../signatures/sign.js'),
    import('./signed-message.js'),
  ]);
  return signerWith(signingKeyAt(key), onSigning);
}

/** What the connection would retry until the timeout. @throws OspatchError `Usage` */
function assertAddress(address: string): void {
  const [, port] = /:(\d+)$/.exec(address) ?? [];
  const isUrl = /^https?:\/\//i.test(address);
  if (!isUrl && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535))) return;
  throw new OspatchError({
    type: 'Usage',
    message: `the address of the Temporal server: found ${JSON.stringify(plainText(address, 200))}; allowed: host:port${isUrl ? ', without http://' : ', with a port from 1 to 65535'}`,
    remedy: 'correct --address, TEMPORAL_ADDRESS or the profile, e.g. localhost:7233',
  });
}
