/** API clients: one per kubeconfig and context, reloaded when the file changes (tokens rotate). */
import type { Agent as HttpAgent } from 'node:http';
import type { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigurationOptions, KubeConfig } from '@kubernetes/client-node';
import type { KubernetesAccess } from '../../domain/kubernetes/types';
import { IN_CLUSTER } from '../../domain/kubernetes/types';
import { AgentPool } from './agent-pool';
import type { KubernetesApi } from './api';
import { apiStatus, toApiError } from './errors';
import type { ApiClients, Call } from './call';
import { createApi } from './requests';
import type { Credentials } from './credentials';
import { accessTitle, kubeconfigFile, loadInCluster, loadKubeconfig } from './kubeconfig';

/** Long enough for a page of 500 pods from a busy server, short enough to detect a hung server. */
const CALL_TIMEOUT_MS = 30_000;

/** Share of the call timeout for a credential plugin: leaves time for the request and for the plugin's error. */
const PLUGIN_SHARE = 2 / 3;

/** How long a stopping worker waits for uninterruptible requests. */
const LAST_ANSWERS_MS = 3_000;

type ClientModule = typeof import('@kubernetes/client-node', { with: { 'resolution-mode': 'import' } });

export interface KubernetesConnections {
  /** Opens and reads nothing before the first call. Calls end when `signal` is aborted. */
  api(access: KubernetesAccess, signal: AbortSignal): KubernetesApi;
  /** Waits up to 3 s for answers to evictions. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** Directory of the kubeconfigs named in specs. */
  kubeconfigDir: string;
  /** Default: 30 s. */
  callTimeoutMs?: number;
}

interface CachedClient extends ApiClients {
  fingerprint: string;
  /** Null: static credentials in the kubeconfig. */
  credentials: Credentials | null;
}

export function createConnections({
  kubeconfigDir,
  callTimeoutMs = CALL_TIMEOUT_MS,
}: ConnectionOptions): KubernetesConnections {
  const editions = new Map<string, CachedClient>();
  const agents = new AgentPool();
  const inFlight = new Set<Promise<unknown>>();

  async function clientsFor(access: KubernetesAccess, module: ClientModule): Promise<CachedClient> {
    const isInside = access.kubeconfig === IN_CLUSTER;
    const file = isInside ? null : kubeconfigFile(kubeconfigDir, access);
    const fingerprint = file?.fingerprint ?? IN_CLUSTER;
    const key = JSON.stringify([access.kubeconfig, access.context ?? null]);
    const known = editions.get(key);
    if (known?.fingerprint === fingerprint) return known;
    const config: KubeConfig = new module.KubeConfig();
    const pluginTimeoutMs = callTimeoutMs * PLUGIN_SHARE;
    const credentials =
      file === null
        ? loadInCluster(config, access)
        : loadKubeconfig(config, { path: file.path, access, pluginTimeoutMs });
    const edition = {
      fingerprint,
      credentials,
      core: config.makeApiClient(module.CoreV1Api),
      policy: config.makeApiClient(module.PolicyV1Api),
      apps: config.makeApiClient(module.AppsV1Api),
      authorization: config.makeApiClient(module.AuthorizationV1Api),
      get: (path: string, options: ConfigurationOptions) => getPath(module, config, path, options),
    };
    editions.set(key, edition);
    return edition;
  }

  function callWith(access: KubernetesAccess, cancelled: AbortSignal): Call {
    return async (what, ask, { headers = {}, uninterruptible = false } = {}) => {
      cancelled.throwIfAborted();
      // Loading takes a second and 50 MB, which workers without Kubernetes clusters avoid.
      const module = await import('@kubernetes/client-node');
      const timeout = AbortSignal.timeout(callTimeoutMs);
      const signal = AbortSignal.any([cancelled, timeout]);
      let wasSent = false;
      try {
        const clients = await clientsFor(access, module);
        const options: ConfigurationOptions = {
          middleware: [
            {
              pre: (request) => {
                wasSent = true;
                request.setSignal(uninterruptible ? timeout : signal);
                for (const [name, value] of Object.entries(headers)) request.setHeaderParam(name, value);
                const agent = request.getAgent();
                if (agent !== undefined) request.setAgent(sharedAgent(agent));
                return new module.Observable(Promise.resolve(request));
              },
              post: (response) => new module.Observable(Promise.resolve(response)),
            },
          ],
          middlewareMergeStrategy: 'append',
        };
        const begun = Date.now();
        const attempt = () => {
          const answer = ask(clients, options);
          if (uninterruptible) keepUntilAnswered(answer);
          return orAborted(answer, signal);
        };
        return await attempt().catch((error: unknown) => {
          // Credentials may be revoked before they expire; a rejected request had no effect.
          if (apiStatus(error)?.code !== 401 || clients.credentials?.invalidate(begun) !== true) throw error;
          return attempt();
        });
      } catch (error) {
        cancelled.throwIfAborted();
        throw toApiError(error, { what, where: accessTitle(access), wasSent });
      }
    };
  }

  function keepUntilAnswered(answer: Promise<unknown>): void {
    const settled = answer
      .catch(() => undefined)
      .finally(() => {
        inFlight.delete(settled);
      });
    inFlight.add(settled);
  }

  /** The client creates an agent, and thus a connection, per request; equal ones are shared here. */
  function sharedAgent(agent: HttpAgent): HttpAgent {
    return isPlainHttps(agent) ? agents.get(agent.options) : agent;
  }

  return {
    api: (access, signal) => createApi(callWith(access, signal)),
    close: async () => {
      await Promise.race([Promise.all(inFlight), sleep(LAST_ANSWERS_MS, undefined, { ref: false })]);
      agents.close();
      editions.clear();
    },
  };
}

/** The library supports only resources; this does the same for other paths. */
async function getPath(
  module: ClientModule,
  config: KubeConfig,
  path: string,
  { middleware = [] }: ConfigurationOptions,
): Promise<{ code: number; text: string }> {
  const server = new module.ServerConfiguration(config.getCurrentCluster()?.server ?? '', {});
  let request = server.makeRequestContext(path, module.HttpMethod.GET);
  await config.applySecurityAuthentication(request);
  for (const one of middleware) request = await one.pre(request).toPromise();
  const answer = await new module.IsomorphicFetchHttpLibrary().send(request).toPromise();
  const [code, text] = [answer.httpStatusCode, await answer.body.text()];
  if (code === 401) throw new module.ApiException(code, 'Unauthorized', text, answer.headers);
  return { code, text };
}

/** Proxy agents are of other classes. */
function isPlainHttps(agent: HttpAgent): agent is Agent {
  return agent.constructor.name === 'Agent' && 'protocol' in agent && agent.protocol === 'https:' && 'options' in agent;
}

/** Not every part of a call honours its signal; a credential plugin may hang. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a reason of an AbortSignal is an error
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
