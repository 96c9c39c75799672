/** One API call, as seen by the caller and the transport. */
import type {
  AppsV1Api,
  AuthorizationV1Api,
  ConfigurationOptions,
  CoreV1Api,
  PolicyV1Api,
} from '@kubernetes/client-node';

export interface ApiClients {
  core: CoreV1Api;
  policy: PolicyV1Api;
  apps: AppsV1Api;
  authorization: AuthorizationV1Api;
  /** Requests a path outside the resource API. Resolves with any answer except 401. */
  get(path: string, options: ConfigurationOptions): Promise<{ code: number; text: string }>;
}

export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  /** The request is not aborted when its caller stops waiting. */
  uninterruptible?: true;
}

/** One call with its timeout; `what` completes "could not". */
export type Call = <T>(
  what: string,
  ask: (clients: ApiClients, options: ConfigurationOptions) => Promise<T>,
  options?: CallOptions,
) => Promise<T>;
