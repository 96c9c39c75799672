/** One call to an API server, as the caller and the transport see it. */
import type { AppsV1Api, ConfigurationOptions, CoreV1Api, PolicyV1Api } from '@kubernetes/client-node';

export interface ApiClients {
  core: CoreV1Api;
  policy: PolicyV1Api;
  apps: AppsV1Api;
  /** A path that is no resource. Resolves whatever the answer is, except 401. */
  get(path: string, options: ConfigurationOptions): Promise<{ code: number; text: string }>;
}

export interface CallOptions {
  headers?: Readonly<Record<string, string>>;
  /** The request is not broken off when its caller gives up; the caller does not wait for it either. */
  uninterruptible?: true;
}

/** One call with its timeout; `what` completes "could not". */
export type Call = <T>(
  what: string,
  ask: (clients: ApiClients, options: ConfigurationOptions) => Promise<T>,
  options?: CallOptions,
) => Promise<T>;
