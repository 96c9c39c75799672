/**
 * Credentials that expire: token files, and plugins as in kubectl (client.authentication.k8s.io). The client library
 * supports both, but reads a file only once a minute, has no timeout for plugins, runs a plugin without expiry for
 * every request, and passes no cluster information to it.
 */
import { dirname, resolve } from 'node:path';
import type { Cluster, KubeConfig, User } from '@kubernetes/client-node';
import { defined } from '../../domain/shared/defined';
import { findProgram } from '../../programs/find-program';
import { runWorkerProgram } from '../../programs/run-program';
import { readTrusted } from '../../trusted-file';
import { pluginEnvironment } from './plugin-environment';

type Authenticator = Parameters<KubeConfig['addAuthenticator']>[0];

/** `authProvider` of users with credentials from this module. */
const PROVIDER = 'ospatch';

/** Enough for a token or a certificate. */
const MAX_OUTPUT = 1_000_000;
const MAX_STDERR = 2_000;

export interface Credentials {
  /** Drops credentials fetched before `before` (milliseconds). False: there were none, so a retry is pointless. */
  invalidate(before: number): boolean;
}

interface Fetched {
  headers: Record<string, string>;
  cert?: string;
  key?: string;
  /** In milliseconds. */
  endsAt: number;
  fetchedAt: number;
}

/** A plugin as configured in a kubeconfig. */
interface Plugin {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
}

/**
 * Reads the current user's token from a file for every request, because the file is small and rotates. The file of a
 * service account is readable for all where the pod has neither a user nor a group for files: the kubelet decides that,
 * and nobody but the pod sees it.
 */
export function useTokenFile(config: KubeConfig, file: string, { secret }: { secret: boolean }): Credentials {
  return use(config, () => {
    const token = readTrusted(file, { secret, what: 'the token file', maxBytes: MAX_OUTPUT });
    return Promise.resolve({ headers: bearer(token.toString('utf8')), endsAt: 0, fetchedAt: Date.now() });
  });
}

/** Gets the current user's credentials from a plugin and caches them until they expire or are rejected. */
export function usePlugin(config: KubeConfig, kubeconfig: string, exec: unknown, timeoutMs: number): Credentials {
  const plugin = (exec ?? {}) as Plugin;
  const cluster = config.getCurrentCluster();
  return use(config, async () => toFetched(await run(plugin, cluster, dirname(kubeconfig), timeoutMs)));
}

function use(config: KubeConfig, fetch: () => Promise<Fetched>): Credentials {
  let kept: Fetched | null = null;
  let fetching: Promise<Fetched> | null = null;
  const authenticator: Authenticator = {
    isAuthProvider: ({ authProvider }) => (authProvider as { name?: string } | undefined)?.name === PROVIDER,
    applyAuthentication: async (_, options) => {
      if (kept === null || kept.endsAt <= Date.now()) {
        // Concurrent requests share one fetch.
        fetching ??= fetch().finally(() => {
          fetching = null;
        });
        kept = await fetching;
      }
      options.headers = { ...(options.headers as Record<string, string> | undefined), ...kept.headers };
      if (kept.cert !== undefined) options.cert = kept.cert;
      if (kept.key !== undefined) options.key = kept.key;
    },
  };
  config.addAuthenticator(authenticator);
  const { name } = config.getCurrentUser() ?? { name: '' };
  // The library prefers its own providers, so the user must match none of them.
  config.users = config.users.map(({ exec, token, ...user }): User => {
    if (user.name === name) return { ...user, authProvider: { name: PROVIDER, config: {} } };
    return { ...user, exec, ...defined({ token }) };
  });
  return {
    invalidate: (before) => {
      if (kept === null || kept.fetchedAt >= before) return kept !== null;
      kept = null;
      return true;
    },
  };
}

/** Runs a plugin and parses its output. */
async function run(plugin: Plugin, cluster: Cluster | null, directory: string, timeoutMs: number): Promise<unknown> {
  const { command = '', args, env: listed, installHint } = plugin;
  const failed = (why: string) => new Error(`the credential plugin ${command} ${why}`);
  const hint = installHint === undefined ? '' : ` (${installHint})`;
  const notRun = () => failed(`cannot be run on the worker${hint}`);
  const env = pluginEnvironment(command, {
    ...Object.fromEntries((listed ?? []).map(({ name, value }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify(infoFor(plugin, cluster)),
  });
  // As in client-go: a path is relative to the kubeconfig, a bare name is searched in PATH.
  const named = command.includes('/') ? resolve(directory, command) : command;
  const program = findProgram(named, { searchPath: env['PATH'] ?? '', what: `the credential plugin ${command}` });
  if (program === null) throw notRun();
  const { end, stdout, stderr } = await runWorkerProgram(program, {
    args: args ?? [],
    env,
    timeoutMs,
    maxBytes: MAX_OUTPUT,
  });
  const said = () => stderr.trim().slice(-MAX_STDERR) || 'no output';
  switch (end.kind) {
    case 'not-started':
      throw notRun();
    case 'timeout':
      throw failed(`did not answer within ${Math.ceil(timeoutMs / 1000)} s`);
    case 'too-much':
      throw failed('printed too much');
    case 'signal':
      throw failed(`was ended by ${end.signal}: ${said()}`);
    case 'exit':
      if (end.code !== 0) throw failed(`failed with exit code ${end.code}: ${said()}`);
  }
  try {
    return JSON.parse(stdout.toString('utf8'));
  } catch {
    // The parser's message would quote the credential.
    throw failed('did not print JSON');
  }
}

function infoFor({ apiVersion, provideClusterInfo }: Plugin, cluster: Cluster | null): object {
  const told = defined({
    cluster:
      provideClusterInfo === true && cluster !== null
        ? {
            server: cluster.server,
            'insecure-skip-tls-verify': cluster.skipTLSVerify,
            ...defined({ 'certificate-authority-data': cluster.caData, 'tls-server-name': cluster.tlsServerName }),
          }
        : undefined,
  });
  return { apiVersion, kind: 'ExecCredential', spec: { interactive: false, ...told } };
}

function toFetched(answer: unknown): Fetched {
  const status = (answer as { status?: Record<string, unknown> } | null)?.status ?? {};
  const text = (key: string) => {
    const value = status[key];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const [token, cert, key] = [text('token'), text('clientCertificateData'), text('clientKeyData')];
  if (token === null && (cert === null || key === null)) {
    throw new Error('the credential plugin returned neither a token nor a certificate with its key');
  }
  const endsAt = Date.parse(text('expirationTimestamp') ?? '');
  return {
    headers: token === null ? {} : bearer(token),
    ...defined({
      cert: cert === null || key === null ? undefined : cert,
      key: cert === null || key === null ? undefined : key,
    }),
    endsAt: Number.isNaN(endsAt) ? Infinity : endsAt,
    fetchedAt: Date.now(),
  };
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token.trim()}` };
}
