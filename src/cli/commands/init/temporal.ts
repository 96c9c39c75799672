/** The connection to Temporal: its settings, tested before anything else is asked. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClusterClient } from '../../../client/cluster-client';
import { OspatchError } from '../../../domain/shared/errors';
import { isLoopback } from '../../../domain/shared/loopback';
import { plainText } from '../../../domain/shared/text';
import { defined } from '../../../domain/shared/defined';
import type { CliContext } from '../../io/context';
import { printNote } from '../../io/output';
import type { Prompter } from '../../io/prompter';
import { userPath } from './admin';
import type { GlobalOptions } from '../../options/global-options';

export interface TemporalOptions {
  tls?: boolean;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  apiKeyFile?: string;
}

/** Variables for workers and commands, of which some may be secret; as the `temporal` CLI has them. */
export type TemporalVariables = Record<string, string>;

const DEFAULT_ADDRESS = 'localhost:7233';
const ANNOUNCED_AFTER_MS = 2_000;

/** How Temporal is reached, as the `temporal` CLI has it. */
const CONNECTION_VARIABLES =
  /^TEMPORAL_(?:ADDRESS|NAMESPACE|PROFILE|CONFIG_FILE|API_KEY|TLS|TLS_\w+|CODEC_\w+|GRPC_META_\w+)$/;

/** Asks and tests until a server answers. Without questions, the first failure is thrown. */
export async function temporalSettings(
  context: CliContext,
  prompter: Prompter | null,
  where: GlobalOptions,
  options: TemporalOptions,
): Promise<TemporalVariables> {
  let given: GlobalOptions = where;
  const environment = fromEnvironment(context);
  const optional = await fromOptions(context, given, options);
  const hasSettings = [
    given.address,
    given.profile,
    environment['TEMPORAL_ADDRESS'],
    environment['TEMPORAL_PROFILE'],
  ].some((setting) => setting !== undefined);
  let variables: TemporalVariables = hasSettings || prompter === null ? { ...environment, ...optional } : optional;
  if (prompter !== null && !hasSettings) {
    variables = { ...variables, ...(await askTemporal(context, prompter, options)) };
    given = {
      ...given,
      ...defined({ address: variables['TEMPORAL_ADDRESS'], namespace: variables['TEMPORAL_NAMESPACE'] }),
    };
  }
  for (;;) {
    try {
      const test = testConnection(given, variables);
      const where = given.address ?? variables['TEMPORAL_ADDRESS'] ?? DEFAULT_ADDRESS;
      const answer = prompter === null ? test : prompter.during(test);
      const { address, namespace } = await announced(context, `waiting for Temporal at ${where} ...`, answer);
      printNote(context, `Temporal answers at ${address}, namespace ${namespace}`);
      if (given.profile !== undefined) return { ...variables, TEMPORAL_PROFILE: given.profile };
      if (variables['TEMPORAL_PROFILE'] !== undefined) return variables;
      return { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, ...variables };
    } catch (error) {
      if (prompter === null || !(error instanceof OspatchError)) throw error;
      prompter.note(error.message);
      if (error.remedy !== undefined) prompter.note(`  fix: ${error.remedy}`);
      variables = await askTemporal(context, prompter, options);
      given = {
        timeoutMs: where.timeoutMs,
        ...defined({ address: variables['TEMPORAL_ADDRESS'], namespace: variables['TEMPORAL_NAMESPACE'] }),
      };
    }
  }
}

/**
 * What the variables of the `temporal` CLI say, for commands that run elsewhere.
 *
 * @throws OspatchError `Usage` for a value that a file of NAME=value lines cannot hold
 */
function fromEnvironment({ env, cwd }: CliContext): TemporalVariables {
  const set = Object.entries(env).flatMap(([name, value = '']): [string, string][] =>
    CONNECTION_VARIABLES.test(name) && value !== '' ? [[name, value]] : [],
  );
  const long = set.find(([, value]) => /[\r\n]/.test(value.trimEnd()));
  if (long !== undefined)
    throw usage(
      `${long[0]} has several lines, which worker.env cannot hold; allowed: the variable with _PATH in its name`,
    );
  return Object.fromEntries(
    set.map(([name, value]) => [name, isFileName(name) ? path.resolve(cwd, value) : value.trimEnd()]),
  );
}

function isFileName(name: string): boolean {
  return name.endsWith('_PATH') || name === 'TEMPORAL_CONFIG_FILE';
}

async function askTemporal(
  context: CliContext,
  prompter: Prompter,
  options: TemporalOptions,
): Promise<TemporalVariables> {
  const address = await prompter.ask({ text: 'Temporal, host:port', fallback: DEFAULT_ADDRESS, parse: parseAddress });
  const namespace = await prompter.ask({ text: 'namespace', fallback: 'default', parse: (text) => text });
  const variables = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
  const fromCommand = await fromOptions(context, { timeoutMs: 0 }, options);
  if (Object.keys(fromCommand).length > 0 || isLoopback(address)) return { ...variables, ...fromCommand };
  const kind = await prompter.ask({
    text: 'how it is secured (tls, api-key, mtls, none)',
    fallback: 'tls',
    parse: (text) => oneOf(text, ['tls', 'api-key', 'mtls', 'none'] as const),
  });
  if (kind === 'none') return { ...variables, TEMPORAL_TLS: 'false' };
  if (kind === 'tls') {
    const ca = await prompter.ask({
      text: 'file of its certificate authority (empty: those of the system)',
      fallback: '',
      parse: (text) => (text === '' ? '' : readable(context, text)),
    });
    return {
      ...variables,
      TEMPORAL_TLS: 'true',
      ...defined({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca === '' ? undefined : ca }),
    };
  }
  if (kind === 'api-key') {
    const key = await prompter.ask({ text: 'API key (not shown)', isSecret: true, parse: parseApiKey });
    return { ...variables, TEMPORAL_API_KEY: key };
  }
  const parse = (text: string): Promise<string> => readable(context, text);
  const cert = await prompter.ask({ text: 'file of the client certificate', parse });
  const key = await prompter.ask({ text: 'file of its key', parse });
  return { ...variables, TEMPORAL_TLS: 'true', TEMPORAL_TLS_CLIENT_CERT_PATH: cert, TEMPORAL_TLS_CLIENT_KEY_PATH: key };
}

async function fromOptions(
  context: CliContext,
  { address, namespace }: GlobalOptions,
  { tls, tlsCa, tlsCert, tlsKey, apiKeyFile }: TemporalOptions,
): Promise<TemporalVariables> {
  const file = async (option: string, name: string | undefined): Promise<string | undefined> =>
    name === undefined ? undefined : readable(context, name, option);
  const ca = await file('--tls-ca', tlsCa);
  const cert = await file('--tls-cert', tlsCert);
  const key = await file('--tls-key', tlsKey);
  const isOn = tls === true || ca !== undefined || cert !== undefined;
  return defined({
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_TLS: isOn ? 'true' : undefined,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: ca,
    TEMPORAL_TLS_CLIENT_CERT_PATH: cert,
    TEMPORAL_TLS_CLIENT_KEY_PATH: key,
    TEMPORAL_API_KEY:
      apiKeyFile === undefined ? undefined : parseApiKey(await readText(context, apiKeyFile, '--api-key-file')),
  });
}

/** Says what is waited for, when that takes a while. */
async function announced<T>(context: CliContext, what: string, work: Promise<T>): Promise<T> {
  const note = setTimeout(() => printNote(context, what), ANNOUNCED_AFTER_MS);
  try {
    return await work;
  } finally {
    clearTimeout(note);
  }
}

/** The variables hold for the rest of this process, as they will for the next commands; those of an earlier answer do not. */
async function testConnection(
  { address, namespace, profile, timeoutMs }: GlobalOptions,
  variables: TemporalVariables,
): Promise<{ address: string; namespace: string }> {
  for (const name of Object.keys(process.env))
    if (CONNECTION_VARIABLES.test(name) && name !== 'TEMPORAL_CONFIG_FILE') delete process.env[name];
  Object.assign(process.env, variables);
  const { ClusterClient: Client } = await import('../../../client/cluster-client.js');
  const client: ClusterClient = await Client.connect({
    ...defined({ address, namespace, profile }),
    ...defined({ deadlineMs: timeoutMs > 0 ? timeoutMs : undefined }),
  });
  try {
    // Fails for a namespace that does not exist, and without the right to use it.
    await client.hasWorker();
    return { address: client.address, namespace: client.namespace };
  } finally {
    await client.close();
  }
}

function parseAddress(text: string): string {
  const [, port] = /^[^\s/]+:(\d{1,5})$/.exec(text) ?? [];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return text;
  throw usage(
    `the address of the Temporal server: found ${JSON.stringify(plainText(text, 100))}; allowed: host:port${port === undefined ? '' : ', with a port from 1 to 65535'}`,
  );
}

/** An API key is one line of visible characters. It is never shown, not even when it is wrong. */
function parseApiKey(text: string): string {
  const key = text.trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw usage('the API key has spaces or line breaks in it, or is empty');
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found !== undefined) return found;
  throw usage(`found ${JSON.stringify(plainText(text, 60))}; allowed: ${allowed.join(', ')}`);
}

async function readable(context: CliContext, name: string, option?: string): Promise<string> {
  await readText(context, name, option);
  return userPath(context, name);
}

/** `option`: names the file, where it is no answer to a question. */
async function readText(context: CliContext, name: string, option?: string): Promise<string> {
  try {
    return await readFile(userPath(context, name), 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
    throw usage(
      `${option === undefined ? 'the file' : `${option}:`} ${JSON.stringify(plainText(name, 200))} cannot be read (${code})`,
      cause,
    );
  }
}

function usage(message: string, cause?: unknown): OspatchError {
  return new OspatchError(
    { type: 'Usage', message, remedy: 'correct it; `ospatch init --help` shows an example' },
    { cause },
  );
}
