/**
 * A simulated API server over HTTP, with the part that ospatch uses. Its answers are copied from those of kube-apiserver
 * 1.34; budgets are computed like those of the real disruption controller.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { matchesLabels, parseLabelSelector } from '../../src/domain/shared/label-selector';
import { defined } from '../../src/domain/shared/defined';

type Json = Record<string, unknown>;

interface FakePod {
  namespace: string;
  name: string;
  nodeName: string;
  uid: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  phase: string;
  ready: boolean;
  owner: { apiVersion: string; kind: string; name: string; uid: string } | null;
  emptyDir: boolean;
  tolerations: Json[];
  finalizers: string[];
  deletionTimestamp: string | null;
  /** Termination time in milliseconds; null: until the test releases the pod. */
  endsAfterMs: number | null;
}

interface FakeBudget {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  minAvailable?: number | string;
  maxUnavailable?: number | string;
  unhealthyPodEvictionPolicy?: string;
  /** The number the controller expects; default: the present pods. */
  expectedPods?: number;
  /** Not processed by the controller yet. */
  stale?: boolean;
  failure?: string;
}

export interface FakeNode {
  name: string;
  resourceVersion: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  unschedulable: boolean;
  manager: string | null;
  conditions: Record<string, string>;
  machineID: string;
  bootID: string;
  kubeletVersion?: string;
}

interface FakeController {
  namespace: string;
  name: string;
  image: string;
  replicas: number;
  available?: number;
  serviceAccount?: string;
}

interface Answer {
  code: number;
  body: Json | string;
  headers?: Record<string, string>;
}

export class FakeApi {
  readonly nodes = new Map<string, FakeNode>();
  readonly pods = new Map<string, FakePod>();
  readonly budgets: FakeBudget[] = [];
  readonly daemonSets: FakeController[] = [];
  /** Names of checks, as listed by `/readyz`. */
  failingChecks: string[] = [];
  readonly deployments: FakeController[] = [];
  /** Users that may patch nodes. */
  readonly nodePatchers = new Set<string>();
  readonly terminatingNamespaces = new Set<string>();
  /** `replica set/deployment` */
  readonly replicaSets = new Map<string, string>();
  /** `METHOD path?query`, in order. */
  readonly calls: string[] = [];
  readonly bodies: Json[] = [];
  /** Answers that replace the default ones; undefined: the default. */
  intercept: (method: string, path: string) => Answer | 'hang' | 'reset' | undefined = () => undefined;
  /** A promise that a request awaits before its answer. */
  before: (method: string, path: string) => Promise<void> | undefined = () => undefined;
  /** `METHOD path` of requests aborted by the client. */
  readonly brokenOff: string[] = [];
  /** Called when a pod is gone. */
  onGone: (pod: FakePod) => void = () => undefined;
  token = 'right-token';
  directory = mkdtempSync(join(tmpdir(), 'ospatch-kube-'));
  private readonly server = createServer((request, response) => void this.handle(request, response));
  private readonly timers = new Set<NodeJS.Timeout>();
  private serial = 0;
  private port = 0;

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
    this.writeKubeconfig();
    return this;
  }

  /** The server becomes unavailable; `start` brings it back at the same address. */
  async goAway(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    if (this.server.listening) await this.goAway();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A user with this token, or with the given credentials. */
  writeKubeconfig(token: string | object = this.token): void {
    writeFileSync(
      join(this.directory, 'config'),
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'lab',
        clusters: [
          { name: 'lab', cluster: { server: `http://127.0.0.1:${this.port}`, 'insecure-skip-tls-verify': true } },
        ],
        users: [{ name: 'ospatch', user: typeof token === 'string' ? { token } : token }],
        contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'ospatch' } }],
      }),
      { mode: 0o600 },
    );
  }

  node(name: string, more: Partial<FakeNode> = {}): FakeNode {
    const node: FakeNode = {
      name,
      resourceVersion: ++this.serial,
      labels: {},
      annotations: {},
      unschedulable: false,
      manager: null,
      conditions: { Ready: 'True', DiskPressure: 'False' },
      machineID: `machine-${name}`,
      bootID: `boot-${name}`,
      ...more,
    };
    this.nodes.set(name, node);
    return node;
  }

  /** A running, ready pod of a ReplicaSet by default. */
  pod(namespace: string, name: string, more: Partial<FakePod> = {}): FakePod {
    const pod: FakePod = {
      namespace,
      name,
      nodeName: 'w-1',
      uid: `uid-${++this.serial}`,
      labels: { app: namespace },
      annotations: {},
      phase: 'Running',
      ready: true,
      owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${namespace}-rs`, uid: `rs-${namespace}` },
      emptyDir: false,
      tolerations: [],
      finalizers: [],
      deletionTimestamp: null,
      endsAfterMs: 0,
      ...more,
    };
    this.pods.set(`${namespace}/${name}`, pod);
    return pod;
  }

  daemonSetPod(namespace: string, name: string, more: Partial<FakePod> = {}): FakePod {
    return this.pod(namespace, `${name}-x`, {
      owner: { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid: `ds-${name}` },
      ...more,
    });
  }

  names(): string[] {
    return [...this.pods.keys()].sort();
  }

  countCalls(pattern: RegExp): number {
    return this.calls.filter((call) => pattern.test(call)).length;
  }

  remove(pod: FakePod): void {
    if (this.pods.get(`${pod.namespace}/${pod.name}`) !== pod) return;
    this.pods.delete(`${pod.namespace}/${pod.name}`);
    this.onGone(pod);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url ?? '/', 'http://fake');
    const method = request.method ?? 'GET';
    this.calls.push(`${method} ${decodeURIComponent(`${url.pathname}${url.search}`)}`);
    const body = text === '' ? {} : (JSON.parse(text) as Json);
    if (text !== '') this.bodies.push(body);
    const call = `${method} ${url.pathname}`;
    response.on('close', () => {
      if (!response.writableFinished) this.brokenOff.push(call);
    });
    const intercepted = this.intercept(method, url.pathname);
    await this.before(method, url.pathname);
    if (intercepted === 'hang') return;
    if (intercepted === 'reset') {
      request.socket.destroy();
      return;
    }
    const answer =
      request.headers.authorization === `Bearer ${this.token}`
        ? (intercepted ?? this.answer(method, url, body))
        : failure(401, 'Unauthorized', 'Unauthorized');
    response.writeHead(answer.code, { 'Content-Type': 'application/json', ...answer.headers });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }

  private answer(method: string, url: URL, body: Json): Answer {
    const path = url.pathname.split('/').slice(1);
    if (url.pathname === '/readyz') return this.readyz();
    if (url.pathname === '/api/v1/nodes') return list([...this.nodes.values()].map(nodeJson));
    if (url.pathname.startsWith('/api/v1/nodes/')) return this.onNode(method, path[3] ?? '', body);
    if (url.pathname === '/api/v1/pods') {
      const nodeName = (url.searchParams.get('fieldSelector') ?? '').replace('spec.nodeName=', '');
      return this.page([...this.pods.values()].filter((pod) => pod.nodeName === nodeName).map(podJson), url);
    }
    if (path[2] === 'namespaces' && path[4] === 'pods') {
      if (path.length === 5) return this.podsByLabel(path[3] ?? '', url.searchParams.get('labelSelector') ?? '');
      return this.onPod(method, `${path[3]}/${path[5]}`, path[6] === 'eviction', body);
    }
    if (url.pathname.endsWith('/poddisruptionbudgets')) return list(this.budgets.map((one) => this.budgetJson(one)));
    if (url.pathname.endsWith('/subjectaccessreviews')) return this.review(body);
    if (path[0] === 'apis' && path[1] === 'apps') return this.onApps(path);
    return failure(404, 'NotFound', 'the server could not find the requested resource');
  }

  private review(body: Json): Answer {
    const { user } = body['spec'] as { user: string };
    return { code: 201, body: { ...body, status: { allowed: this.nodePatchers.has(user) } } };
  }

  private readyz(): Answer {
    const isReady = this.failingChecks.length === 0;
    const lines = this.failingChecks.map((name) => `[-]${name} failed: reason withheld`);
    return { code: isReady ? 200 : 500, body: ['[+]ping ok', ...lines, 'readyz check failed'].join('\n') };
  }

  private onApps(path: string[]): Answer {
    const kind = path.at(-1) ?? '';
    if (kind === 'daemonsets') return list(this.daemonSets.map(controllerJson));
    if (kind === 'deployments') return list(this.deployments.map(controllerJson));
    if (path[5] === 'replicasets') {
      const owner = this.replicaSets.get(kind);
      if (owner === undefined) return notFound('replicasets.apps', kind);
      const ownerReferences = [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: owner, uid: owner, controller: true },
      ];
      return { code: 200, body: { metadata: { name: kind, namespace: path[4], ownerReferences } } };
    }
    const found = this.deployments.find(({ name, namespace }) => name === kind && namespace === path[4]);
    return found === undefined ? notFound('deployments.apps', kind) : { code: 200, body: controllerJson(found) };
  }

  private onNode(method: string, name: string, body: Json): Answer {
    const node = this.nodes.get(name);
    if (node === undefined) return notFound('nodes', name);
    if (method === 'PATCH') {
      const { resourceVersion, annotations = {} } = body['metadata'] as Json & { annotations?: Json };
      if (resourceVersion !== String(node.resourceVersion)) {
        return failure(
          409,
          'Conflict',
          `Operation cannot be fulfilled on nodes "${name}": the object has been modified; please apply your changes to the latest version and try again`,
        );
      }
      for (const [key, value] of Object.entries(annotations)) {
        if (typeof value === 'string') node.annotations[key] = value;
        else delete node.annotations[key];
      }
      const spec = body['spec'] as { unschedulable?: boolean | null } | undefined;
      if (spec !== undefined) this.setUnschedulable(node, spec.unschedulable === true, 'ospatch');
      node.resourceVersion = ++this.serial;
    }
    return { code: 200, body: nodeJson(node) };
  }

  /** Patched as by an administrator: an unchanged field keeps its manager. */
  setUnschedulable(node: FakeNode, value: boolean, manager: string): void {
    if (node.unschedulable === value) return;
    node.unschedulable = value;
    node.manager = value ? manager : null;
    node.resourceVersion = ++this.serial;
  }

  private podsByLabel(namespace: string, text: string): Answer {
    const parsed = parseLabelSelector(text);
    if (!parsed.ok) return failure(400, 'BadRequest', `unable to parse requirement: ${text}`);
    const found = [...this.pods.values()].filter(
      (pod) => pod.namespace === namespace && matchesLabels(parsed.selector, pod.labels),
    );
    return list(found.map(podJson));
  }

  private onPod(method: string, key: string, isEviction: boolean, body: Json): Answer {
    const pod = this.pods.get(key);
    const [, name = ''] = key.split('/');
    if (pod === undefined) return notFound('pods', name);
    if (method === 'GET') return { code: 200, body: podJson(pod) };
    const options = (isEviction ? body['deleteOptions'] : body) as { preconditions?: { uid?: string } };
    const uid = options.preconditions?.uid;
    if (isEviction) {
      if (this.terminatingNamespaces.has(pod.namespace)) {
        return failure(
          403,
          'Forbidden',
          `pods "${name}" is forbidden: unable to create new content in namespace ${pod.namespace} because it is being terminated`,
          { causes: [{ reason: 'NamespaceTerminating', message: `namespace ${pod.namespace} is being terminated` }] },
        );
      }
      const rejection = this.rejectionOf(pod);
      if (rejection !== null) return rejection;
    }
    if (uid !== undefined && uid !== pod.uid) {
      return failure(
        409,
        'Conflict',
        `Operation cannot be fulfilled on Pod "${name}": the UID in the precondition (${uid}) does not match the UID in record (${pod.uid}). The object might have been deleted and then recreated`,
      );
    }
    this.terminate(pod);
    return { code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
  }

  terminate(pod: FakePod): void {
    pod.deletionTimestamp ??= new Date(Date.now() + (pod.endsAfterMs ?? 30_000)).toISOString();
    if (pod.endsAfterMs === null) return;
    if (pod.endsAfterMs === 0) return this.remove(pod);
    const timer = setTimeout(() => this.remove(pod), pod.endsAfterMs);
    this.timers.add(timer);
  }

  private rejectionOf(pod: FakePod): Answer | null {
    if (pod.phase !== 'Running' || pod.deletionTimestamp !== null) return null;
    const own = this.budgets.filter((budget) => this.selects(budget, pod));
    if (own.length > 1) {
      return failure(
        500,
        'InternalError',
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support',
        undefined,
        'Internal error occurred: ',
      );
    }
    const [budget] = own;
    if (budget === undefined) return null;
    const status = this.statusOf(budget);
    if (budget.stale === true)
      return tooMany(budget, `The disruption budget ${budget.name} is still being processed by the server`, 10);
    if (!pod.ready && status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0) return null;
    if (status.disruptionsAllowed > 0) return null;
    return tooMany(
      budget,
      `The disruption budget ${budget.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
    );
  }

  private selects(budget: FakeBudget, pod: FakePod): boolean {
    return (
      budget.namespace === pod.namespace &&
      Object.entries(budget.labels).every(([key, value]) => pod.labels[key] === value)
    );
  }

  private statusOf(budget: FakeBudget): {
    disruptionsAllowed: number;
    currentHealthy: number;
    desiredHealthy: number;
    expectedPods: number;
  } {
    const pods = [...this.pods.values()].filter((pod) => this.selects(budget, pod));
    const currentHealthy = pods.filter((pod) => pod.ready && pod.deletionTimestamp === null).length;
    const expectedPods = budget.expectedPods ?? pods.length;
    const desiredHealthy =
      budget.maxUnavailable === undefined
        ? count(budget.minAvailable ?? 0, expectedPods)
        : Math.max(0, expectedPods - count(budget.maxUnavailable, expectedPods));
    const disruptionsAllowed =
      budget.failure === undefined && expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
    return { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods };
  }

  private budgetJson(budget: FakeBudget): Json {
    const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy, failure: message } = budget;
    return {
      metadata: { namespace: budget.namespace, name: budget.name, generation: 2 },
      spec: { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy, selector: { matchLabels: budget.labels } },
      status: {
        ...this.statusOf(budget),
        observedGeneration: budget.stale === true ? 1 : 2,
        conditions:
          message === undefined
            ? []
            : [
                {
                  type: 'DisruptionAllowed',
                  status: 'False',
                  reason: 'SyncFailed',
                  message,
                  lastTransitionTime: '2026-01-01T00:00:00Z',
                },
              ],
      },
    };
  }

  private page(items: Json[], url: URL): Answer {
    const limit = Number(url.searchParams.get('limit') ?? '0') || items.length;
    const start = Number(url.searchParams.get('continue') ?? '0');
    const next = start + limit < items.length ? String(start + limit) : '';
    return list(items.slice(start, start + limit), next);
  }
}

export function failure(code: number, reason: string, message: string, details?: Json, prefix = ''): Answer {
  return {
    code,
    body: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: `${prefix}${message}`,
      reason,
      ...defined({ details }),
      code,
    },
  };
}

function tooMany(_: FakeBudget, message: string, retryAfterSeconds = 0): Answer {
  const answer = failure(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget", {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...defined({ retryAfterSeconds: retryAfterSeconds === 0 ? undefined : retryAfterSeconds }),
  });
  return retryAfterSeconds === 0 ? answer : { ...answer, headers: { 'Retry-After': String(retryAfterSeconds) } };
}

function notFound(resource: string, name: string): Answer {
  return failure(404, 'NotFound', `${resource} "${name}" not found`, { name, kind: resource });
}

function list(items: Json[], next = ''): Answer {
  return {
    code: 200,
    body: { metadata: { resourceVersion: '1', ...defined({ continue: next === '' ? undefined : next }) }, items },
  };
}

/** Percentages round up, as the disruption controller does. */
function count(value: number | string, of: number): number {
  return typeof value === 'number' ? value : Math.ceil((Number(value.replace('%', '')) / 100) * of);
}

function nodeJson(node: FakeNode): Json {
  return {
    metadata: {
      name: node.name,
      resourceVersion: String(node.resourceVersion),
      labels: node.labels,
      annotations: node.annotations,
      managedFields: [
        { manager: 'kubelet', operation: 'Update', fieldsV1: { 'f:status': { 'f:conditions': {} } } },
        ...(node.manager === null
          ? []
          : [{ manager: node.manager, operation: 'Update', fieldsV1: { 'f:spec': { 'f:unschedulable': {} } } }]),
      ],
    },
    spec: defined({ unschedulable: node.unschedulable ? true : undefined }),
    status: {
      conditions: Object.entries(node.conditions).map(([type, status]) => ({
        type,
        status,
        reason: 'Kubelet',
        message: `${type} is ${status}`,
      })),
      nodeInfo: { machineID: node.machineID, bootID: node.bootID, kubeletVersion: node.kubeletVersion },
    },
  };
}

function podJson(pod: FakePod): Json {
  const { namespace, name, uid, labels, annotations, owner, finalizers, deletionTimestamp, tolerations } = pod;
  return {
    metadata: {
      namespace,
      name,
      uid,
      labels,
      annotations,
      finalizers,
      ...defined({
        deletionTimestamp: deletionTimestamp ?? undefined,
        ownerReferences: owner === null ? undefined : [{ ...owner, controller: true }],
      }),
    },
    spec: {
      nodeName: pod.nodeName,
      containers: [{ name: 'main', image: 'busybox' }],
      tolerations,
      volumes: pod.emptyDir ? [{ name: 'scratch', emptyDir: {} }] : [],
    },
    status: { phase: pod.phase, conditions: [{ type: 'Ready', status: pod.ready ? 'True' : 'False' }] },
  };
}

function controllerJson({ namespace, name, image, replicas, available, serviceAccount }: FakeController): Json {
  return {
    metadata: { namespace, name, generation: 1 },
    spec: {
      replicas,
      template: {
        metadata: { labels: { app: namespace } },
        spec: { serviceAccountName: serviceAccount, containers: [{ name: 'main', image }] },
      },
    },
    status: { observedGeneration: 1, desiredNumberScheduled: replicas, availableReplicas: available ?? replicas },
  };
}
