/**
 * A small client of the Kubernetes API for the test control plane. It is not the one that ospatch uses, so that a test
 * sees with other eyes.
 */
import { Agent, request } from 'node:https';
import { defined } from '../../src/domain/shared/defined';

const TIMEOUT_MS = 20_000;

/** Where kinds are found: group and version, plural, and whether they live in a namespace. */
const KINDS: Record<string, [string, string, boolean]> = {
  Namespace: ['api/v1', 'namespaces', false],
  Node: ['api/v1', 'nodes', false],
  Pod: ['api/v1', 'pods', true],
  ServiceAccount: ['api/v1', 'serviceaccounts', true],
  ReplicationController: ['api/v1', 'replicationcontrollers', true],
  Deployment: ['apis/apps/v1', 'deployments', true],
  ReplicaSet: ['apis/apps/v1', 'replicasets', true],
  StatefulSet: ['apis/apps/v1', 'statefulsets', true],
  DaemonSet: ['apis/apps/v1', 'daemonsets', true],
  Job: ['apis/batch/v1', 'jobs', true],
  PodDisruptionBudget: ['apis/policy/v1', 'poddisruptionbudgets', true],
  ClusterRole: ['apis/rbac.authorization.k8s.io/v1', 'clusterroles', false],
  ValidatingAdmissionPolicy: ['apis/admissionregistration.k8s.io/v1', 'validatingadmissionpolicies', false],
  ValidatingAdmissionPolicyBinding: [
    'apis/admissionregistration.k8s.io/v1',
    'validatingadmissionpolicybindings',
    false,
  ],
  ClusterRoleBinding: ['apis/rbac.authorization.k8s.io/v1', 'clusterrolebindings', false],
};

/** What every object has that this client sends or returns. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; namespace?: string; uid?: string };
}

/** Names an object; `namespace` is `default` for kinds that have one. */
export interface KubeRef {
  kind: string;
  name?: string;
  namespace?: string;
}

/** An answer that is no success. */
export class KubeApiError extends Error {
  constructor(
    /** HTTP status. */
    readonly code: number,
    /** The Status object, as text. */
    readonly body: string,
    what: string,
  ) {
    super(`${what} was answered with ${code}: ${body.slice(0, 500)}`);
  }
}

export interface KubeApiOptions {
  /** `https://127.0.0.1:port`. */
  server: string;
  /** PEM. */
  ca: string;
  token: string;
}

export class KubeApi {
  private readonly agent: Agent;

  constructor(readonly options: KubeApiOptions) {
    this.agent = new Agent({ keepAlive: true, ca: options.ca });
  }

  /** Throws {@link KubeApiError} for an answer that is no success, and what the network said without an answer. */
  call<T>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> {
    const { server, token } = this.options;
    const text = body === undefined ? '' : JSON.stringify(body);
    // Node.js does not tell the length of a DELETE's body by itself, and the server takes the rest for a next request.
    const headers = {
      Authorization: `Bearer ${token}`,
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(text),
    };
    return new Promise((resolve, reject) => {
      const call = request(
        `${server}${path}`,
        { method, headers, agent: this.agent, timeout: TIMEOUT_MS },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const answered = Buffer.concat(chunks).toString();
            const code = answer.statusCode ?? 0;
            if (code >= 300) return reject(new KubeApiError(code, answered, `${method} ${path}`));
            resolve((answered.startsWith('{') ? JSON.parse(answered) : answered) as T);
          });
        },
      );
      call.on('timeout', () => call.destroy(new Error(`${method} ${path} was not answered in ${TIMEOUT_MS} ms`)));
      call.on('error', reject);
      call.end(text);
    });
  }

  create<T extends KubeObject>(object: T): Promise<T> {
    const { kind = '', metadata } = object;
    const [apiVersion = ''] = KINDS[kind] ?? [];
    const whole = { apiVersion: apiVersion.replace(/^apis?\//, ''), ...object };
    return this.call('POST', pathOf({ kind, ...namespaceOf(metadata?.namespace) }), whole);
  }

  get<T>(ref: KubeRef): Promise<T> {
    return this.call('GET', pathOf(ref));
  }

  /** Like {@link get}, but undefined when there is no such object. */
  async find<T>(ref: KubeRef): Promise<T | undefined> {
    return this.get<T>(ref).catch((error: unknown) => {
      if (error instanceof KubeApiError && error.code === 404) return undefined;
      throw error;
    });
  }

  /** All objects of the kind, in one namespace or (without) in all. `query` narrows, e.g. `labelSelector=app%3Dweb`. */
  async list<T>(ref: Omit<KubeRef, 'name'>, query = ''): Promise<T[]> {
    const [group = '', plural = ''] = KINDS[ref.kind] ?? [];
    const where = ref.namespace === undefined ? `/${group}/${plural}` : pathOf(ref);
    return (await this.call<{ items: T[] }>('GET', `${where}?${query}`)).items;
  }

  /** Merges `change` into the object, or into its `status` when that is the `subresource`. */
  patch<T>(ref: KubeRef, change: unknown, subresource?: 'status'): Promise<T> {
    const path = subresource === undefined ? pathOf(ref) : `${pathOf(ref)}/${subresource}`;
    return this.call('PATCH', path, change, 'application/strategic-merge-patch+json');
  }

  /** `gracePeriodSeconds: 0` removes a pod at once. */
  async delete(ref: KubeRef, gracePeriodSeconds?: number): Promise<void> {
    await this.call('DELETE', pathOf(ref), defined({ gracePeriodSeconds }));
  }

  /** Asks for the eviction of a pod as a drain does. */
  async evict(namespace: string, name: string, deleteOptions: object = {}): Promise<void> {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions };
    await this.call('POST', `${pathOf({ kind: 'Pod', namespace, name })}/eviction`, eviction);
  }

  /** Ends its connections. */
  close(): void {
    this.agent.destroy();
  }
}

function pathOf({ kind, name, namespace }: KubeRef): string {
  const found = KINDS[kind];
  if (found === undefined) throw new Error(`the path of the kind ${kind} is not known here`);
  const [group, plural, namespaced] = found;
  const where = namespaced ? `/${group}/namespaces/${namespace ?? 'default'}/${plural}` : `/${group}/${plural}`;
  return name === undefined ? where : `${where}/${name}`;
}

function namespaceOf(namespace: string | undefined): { namespace?: string } {
  return defined({ namespace });
}
