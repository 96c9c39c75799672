/** Loads the kubeconfig named in a spec on the worker. Its content never appears in a message. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { KubeConfig, User } from '@kubernetes/client-node';
import { parse } from 'yaml';
import type { KubernetesAccess } from '../../domain/kubernetes/types';
import { IN_CLUSTER, KUBECONFIG_NAME } from '../../domain/kubernetes/types';
import { plainText } from '../../domain/shared/text';
import { UntrustedFile, checkTrusted, readTrusted } from '../../trusted-file';
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
 * Path and fingerprint of the kubeconfig; a changed fingerprint requires a reload. A kubeconfig names programs that the
 * worker runs, and holds credentials, so nobody else may write to it or read it.
 * @throws ApiError `credentials`
 */
export function kubeconfigFile(directory: string, access: KubernetesAccess): { path: string; fingerprint: string } {
  if (!KUBECONFIG_NAME.test(access.kubeconfig)) {
    throw unusable(access, 'the name is not a bare file name', 'name a file of the worker without its directory');
  }
  const path = join(directory, access.kubeconfig);
  const { mtimeMs, size, ino } = trusted(access, path, () => checkTrusted(path, { secret: true })).stats;
  if (size > MAX_BYTES) throw tooLarge(access, path, size);
  return { path, fingerprint: `${path} ${mtimeMs} ${size} ${ino}` };
}

function tooLarge(access: KubernetesAccess, path: string, size: number): ApiError {
  const why = `${path} has ${Math.ceil(size / MAX_BYTES)} MiB and at most 1 is read`;
  return unusable(access, why, 'put a kubeconfig there with the clusters that are needed');
}

/** The errors of a check in the words of this collaborator. */
function trusted<T>(access: KubernetesAccess, path: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof UntrustedFile)) throw error;
    const { problem } = error;
    const isPlace = problem === 'missing' || problem === 'unreadable';
    const why =
      problem === 'missing'
        ? `there is no file ${path} on the worker`
        : isPlace
          ? `${path} cannot be read on the worker`
          : problem === 'kind'
            ? `${path} is not a file`
            : problem === 'too-large'
              ? `${path} has more than 1 MiB`
              : error.message.replace(/^.* is not used: /, '');
    const put = 'put it there, readable by the worker, or set OSPATCH_KUBECONFIG_DIR to the directory that holds it';
    throw unusable(access, why, isPlace ? put : problem === 'kind' ? 'put a kubeconfig there' : (error.remedy ?? put));
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
  const text = trusted(access, path, () => readTrusted(path, { secret: true, maxBytes: MAX_BYTES })).toString('utf8');
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(path));
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
  checkUser(user, access, path);
  checkFiles(config, access);
  const file = user === null ? null : tokenFileOf(text, path, user.name);
  if (file !== null) return useTokenFile(config, file, { secret: true });
  if (!user?.exec) return null;
  if (user.token === undefined) return usePlugin(config, path, user.exec, pluginTimeoutMs);
  // A token takes precedence, as in kubectl; the library would run the plugin too.
  config.users = config.users.map((one) =>
    one.name === user.name ? { name: user.name, token: one.token } : one,
  ) as User[];
  return null;
}

/**
 * The library runs the programs of old authentication providers by itself, with all variables of the worker. Kubernetes
 * has removed the providers of vendors in 1.26.
 */
function checkUser(user: User | null, access: KubernetesAccess, path: string): void {
  const provider = user?.authProvider as { name?: string; config?: object } | undefined;
  if (provider === undefined) return;
  const runsPrograms = ['exec', 'tokenFile', 'cmd-path'].some((key) => key in (provider.config ?? {}));
  if (provider.name === 'oidc' && !runsPrograms) return;
  throw unusable(
    access,
    `${path} uses the authentication provider ${plainText(String(provider.name), 60)}, which is not supported`,
    'use a credential plugin (exec) or a tokenFile in its place',
  );
}

/** Certificates and keys in files of their own: who writes the authority decides which server is trusted. */
function checkFiles(config: KubeConfig, access: KubernetesAccess): void {
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  for (const [file, secret] of [
    [cluster?.caFile, false],
    [user?.certFile, false],
    [user?.keyFile, true],
  ] as const) {
    if (file !== undefined && file !== '') trusted(access, file, () => checkTrusted(file, { secret }));
  }
}

/** The client library ignores `tokenFile`. */
function tokenFileOf(text: string, path: string, name: string): string | null {
  const document = parse(text) as { users?: { name: string; user?: { tokenFile?: unknown } }[] };
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
  // The kubelet decides who may read it.
  return useTokenFile(config, SERVICE_ACCOUNT_TOKEN, { secret: false });
}

function unusable(access: KubernetesAccess, why: string, remedy: string): ApiError {
  return new ApiError('credentials', { message: `${accessTitle(access)} cannot be used: ${why}`, remedy });
}
