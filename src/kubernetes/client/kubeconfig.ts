/** Loads the kubeconfig named in a spec on the worker. Its content never appears in a message. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import type { KubernetesAccess } from '../../domain/kubernetes/types';
import { IN_CLUSTER, KUBECONFIG_NAME } from '../../domain/kubernetes/types';
import { plainText } from '../../domain/shared/text';
import { ApiError } from './api';
import type { Credentials } from './credentials';
import { usePlugin, useTokenFile } from './credentials';

/** Enough for many clusters and certificates; parsing a larger file would block the worker. */
const MAX_BYTES = 1024 * 1024;
const MAX_CONTEXTS = 10;

/** Mount path used by the kubelet. */
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** The credentials of a cluster, as named in messages. */
export function accessTitle({ kubeconfig, context }: KubernetesAccess): string {
  if (kubeconfig === IN_CLUSTER) return 'the service account of the worker';
  return `kubeconfig ${kubeconfig}${context === undefined ? '' : `, context ${context}`}`;
}

/**
 * Path and fingerprint of the kubeconfig; a changed fingerprint requires a reload.
 * @throws ApiError `credentials`
 */
export function kubeconfigFile(directory: string, access: KubernetesAccess): { path: string; fingerprint: string } {
  if (!KUBECONFIG_NAME.test(access.kubeconfig)) {
    throw unusable(access, 'the name is not a bare file name', 'name a file of the worker without its directory');
  }
  const path = join(directory, access.kubeconfig);
  const { mtimeMs, size, ino, isFile } = statOf(path, access);
  // Reading a named pipe would block.
  if (!isFile) throw unusable(access, `${path} is not a file`, 'put a kubeconfig there');
  if (size > MAX_BYTES) {
    const why = `${path} has ${Math.ceil(size / MAX_BYTES)} MiB and at most 1 is read`;
    throw unusable(access, why, 'put a kubeconfig there with the clusters that are needed');
  }
  return { path, fingerprint: `${path} ${mtimeMs} ${size} ${ino}` };
}

function statOf(
  path: string,
  access: KubernetesAccess,
): { mtimeMs: number; size: number; ino: number; isFile: boolean } {
  try {
    const stats = statSync(path);
    return { mtimeMs: stats.mtimeMs, size: stats.size, ino: stats.ino, isFile: stats.isFile() };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw unusable(
      access,
      isMissing ? `there is no file ${path} on the worker` : `${path} cannot be read on the worker`,
      'put it there, readable by the worker, or set OSPATCH_KUBECONFIG_DIR to the directory that holds it',
    );
  }
}

export interface LoadOptions {
  path: string;
  access: KubernetesAccess;
  /** Timeout for a credential plugin. */
  pluginTimeoutMs: number;
}

/**
 * Returns the renewable credentials; null: static credentials in the file.
 * @throws ApiError `credentials`
 */
export function loadKubeconfig(config: KubeConfig, { path, access, pluginTimeoutMs }: LoadOptions): Credentials | null {
  try {
    config.loadFromFile(path);
  } catch {
    // The parser's message quotes the file.
    throw unusable(access, `${path} cannot be read as a kubeconfig`, 'check it on the worker with kubectl config view');
  }
  const contexts = config.getContexts().map(({ name }) => name);
  if (contexts.length === 0) {
    throw unusable(
      access,
      `${path} is not a kubeconfig with contexts`,
      'check it on the worker with kubectl config view',
    );
  }
  const context = access.context ?? config.getCurrentContext();
  const has = `it has ${plainText(contexts.slice(0, MAX_CONTEXTS).join(', '), 300)}`;
  if (access.context === undefined && (context === '' || context === undefined)) {
    throw unusable(access, `${path} has no current context (${has})`, 'name one of these in kubernetes.context');
  }
  if (!contexts.includes(context)) {
    const remedy = 'name one of these in kubernetes.context';
    throw unusable(access, `${path} has no context ${plainText(context, 100)} (${has})`, remedy);
  }
  config.setCurrentContext(context);
  if (config.getCurrentCluster() === null) {
    throw unusable(access, `context ${context} of ${path} names no cluster of that file`, 'correct the file');
  }
  const user = config.getCurrentUser();
  const file = user === null ? null : tokenFileOf(path, user.name);
  if (file !== null) return useTokenFile(config, file);
  if (user?.exec && user.token === undefined) return usePlugin(config, path, user.exec, pluginTimeoutMs);
  return null;
}

/** The client library ignores `tokenFile`. */
function tokenFileOf(path: string, name: string): string | null {
  const document = parse(readFileSync(path, 'utf8')) as { users?: { name: string; user?: { tokenFile?: unknown } }[] };
  const file = document.users?.find((one) => one.name === name)?.user?.tokenFile;
  return typeof file === 'string' && file !== '' ? resolve(dirname(path), file) : null;
}

/** @throws ApiError `credentials` */
export function loadInCluster(config: KubeConfig, access: KubernetesAccess): Credentials {
  if (!process.env['KUBERNETES_SERVICE_HOST'] || !process.env['KUBERNETES_SERVICE_PORT']) {
    throw unusable(
      access,
      'the worker does not run inside a Kubernetes cluster',
      'name a kubeconfig in kubernetes.kubeconfig, or run the worker in the cluster with a service account',
    );
  }
  const files = dirname(SERVICE_ACCOUNT_TOKEN);
  if (!existsSync(join(files, 'ca.crt'))) {
    throw unusable(
      access,
      `the pod of the worker has none (no ca.crt in ${files})`,
      'give the pod a serviceAccountName and let its token be mounted (automountServiceAccountToken)',
    );
  }
  config.loadFromCluster();
  return useTokenFile(config, SERVICE_ACCOUNT_TOKEN);
}

function unusable(access: KubernetesAccess, why: string, remedy: string): ApiError {
  return new ApiError('credentials', { message: `${accessTitle(access)} cannot be used: ${why}`, remedy });
}
