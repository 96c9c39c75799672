/**
 * A simulated EKS API: the calls that ospatch makes, over HTTP in this process, for the real AWS SDK. Responses and
 * errors have the shape of AWS's REST API.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defined } from '../../src/domain/shared/defined';

interface SimulatedGroup {
  version: string;
  releaseVersion: string;
  amiType: string;
  status: string;
  launchTemplate?: { name: string; id: string; version: string };
  issues: { code: string; message: string; resourceIds: string[] }[];
}

interface SimulatedUpdate {
  id: string;
  group: string;
  type: string;
  status: string;
  /** Release of the group after a successful update. */
  release: string | null;
  errors: { errorCode: string; errorMessage: string; resourceIds: string[] }[];
  polls: number;
}

interface SimulatedFault {
  status: number;
  type: string;
  message: string;
}

interface RecordedCall {
  action: string;
  group: string | null;
  body: Record<string, unknown>;
}

/** Dummy credentials for the SDK. Restores the environment when called. */
export function simulateCredentials(): () => void {
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'AKIASIMULATED0000001',
    AWS_SECRET_ACCESS_KEY: 'simulated-secret',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  });
  return () => {
    process.env = before;
  };
}

export class EksServer {
  readonly groups = new Map<string, SimulatedGroup>();
  readonly updates: SimulatedUpdate[] = [];
  readonly calls: RecordedCall[] = [];
  fargateProfiles: string[] = [];
  /** The newest release of the only Kubernetes version. */
  latest = '1.31.4-20250203';
  /** The newest release of every image in the parameter store; null: none. */
  published: string | null = null;
  /** Whether a group at the newest release is updated again, with every node replaced. */
  replacesForNothing = false;
  /** While true, an update begins and the response is lost. */
  swallowsAnswers = false;
  /** Whether a repeated request gets the first response. */
  knowsTokens = true;
  /** While true, an update stays in progress. */
  hold = false;
  /** Failure of the next update. */
  failWith: SimulatedUpdate['errors'] | null = null;
  private readonly tokens = new Map<string, string>();
  private readonly faults = new Map<string, SimulatedFault[]>();
  /** Answers every call, while set. */
  fault: SimulatedFault | 'cut' | null = null;
  /** Called with the signer of a call. */
  onAuthorization: (header: string) => SimulatedFault | null = () => null;

  private constructor(
    private readonly server: Server,
    readonly endpoint: string,
    readonly cluster: string,
  ) {}

  static async start(cluster = 'Prod_1', port = 0): Promise<EksServer> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const { port: bound } = server.address() as AddressInfo;
    const eks = new EksServer(server, `http://127.0.0.1:${bound}`, cluster);
    server.on('request', (request, response) => void eks.answer(request, response));
    return eks;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  addGroup(name: string, more: Partial<SimulatedGroup> = {}): SimulatedGroup {
    const group: SimulatedGroup = {
      version: '1.31',
      releaseVersion: '1.31.3-20250103',
      amiType: 'AL2023_x86_64_STANDARD',
      status: 'ACTIVE',
      issues: [],
      ...more,
    };
    this.groups.set(name, group);
    return group;
  }

  /** An update begun by another caller. */
  beginForeign(group: string, type = 'VersionUpdate', release: string | null = null): SimulatedUpdate {
    return this.begin(group, type, release);
  }

  /** Faults of the next calls of `action`, one each. */
  failNext(action: string, ...faults: SimulatedFault[]): void {
    this.faults.set(action, [...(this.faults.get(action) ?? []), ...faults]);
  }

  count(action: string): number {
    return this.calls.filter((call) => call.action === action).length;
  }

  end(update: SimulatedUpdate): void {
    const group = this.groups.get(update.group);
    update.status = update.errors.length > 0 ? 'Failed' : 'Successful';
    if (group === undefined) return;
    group.status = 'ACTIVE';
    if (update.status === 'Successful' && update.release !== null) group.releaseVersion = update.release;
  }

  private begin(group: string, type: string, release: string | null): SimulatedUpdate {
    const update: SimulatedUpdate = {
      ...{ id: randomUUID(), group, type, status: 'InProgress', release, polls: 0 },
      errors: this.failWith ?? [],
    };
    this.failWith = null;
    this.updates.push(update);
    const one = this.groups.get(group);
    if (one !== undefined) one.status = 'UPDATING';
    return update;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url ?? '/', this.endpoint);
    const [, cluster, section, one] = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    const isParameter = request.headers['x-amz-target'] === 'AmazonSSM.GetParameter';
    const isUpdate = url.pathname.endsWith('/update-version');
    const action = isParameter ? 'GetParameter' : actionOf(request.method ?? '', section, one, isUpdate);
    const group = url.searchParams.get('nodegroupName') ?? (section === 'node-groups' ? (one ?? null) : null);
    const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    this.calls.push({ action, group, body });
    const signed = this.onAuthorization(request.headers.authorization ?? '');
    const fault = signed ?? this.faults.get(action)?.shift() ?? this.fault;
    if (fault === 'cut') return void response.destroy();
    if (fault !== null) return reject(response, fault);
    if (action === 'GetParameter') {
      const missing = { status: 400, type: 'ParameterNotFound', message: '' };
      return this.published === null
        ? reject(response, missing)
        : send(response, { Parameter: { Name: body['Name'], Value: this.published } });
    }
    if (cluster !== this.cluster) {
      return reject(response, notFound(`No cluster found for name: ${cluster}`));
    }
    if (action === 'ListNodegroups') return send(response, this.page('nodegroups', [...this.groups.keys()], url));
    if (action === 'ListFargateProfiles') {
      return send(response, { fargateProfileNames: this.fargateProfiles });
    }
    const known = this.groups.get(group ?? '');
    if (group === null || known === undefined) {
      return reject(response, notFound(`No node group found for name: ${group}`));
    }
    if (action === 'DescribeNodegroup') return send(response, { nodegroup: this.describe(group, known) });
    if (action === 'ListUpdates') {
      const ids = this.updates.filter((update) => update.group === group).map(({ id }) => id);
      return send(response, this.page('updateIds', ids, url));
    }
    if (action === 'DescribeUpdate') return this.describeUpdate(response, one ?? '');
    return this.updateVersion(response, group, known, body);
  }

  private updateVersion(
    response: ServerResponse,
    name: string,
    group: SimulatedGroup,
    body: Record<string, unknown>,
  ): void {
    const token = String(body['clientRequestToken']);
    const before = this.knowsTokens ? this.tokens.get(token) : undefined;
    if (before === undefined && group.releaseVersion === this.latest && !this.replacesForNothing) {
      const message = `No update required: nodegroup ${name} is already at the latest release version`;
      return reject(response, { status: 400, type: 'InvalidParameterException', message });
    }
    if (before === undefined && group.status !== 'ACTIVE') {
      const message = 'Nodegroup cannot be updated as it is currently not in Active State';
      return reject(response, { status: 409, type: 'ResourceInUseException', message });
    }
    const update = this.updates.find(({ id }) => id === before) ?? this.begin(name, 'VersionUpdate', this.latest);
    this.tokens.set(token, update.id);
    if (this.swallowsAnswers) return;
    send(response, { update: { id: update.id, status: update.status, type: update.type } });
  }

  private describeUpdate(response: ServerResponse, id: string): void {
    const update = this.updates.find((one) => one.id === id);
    if (update === undefined) return reject(response, notFound(`No update found for ID: ${id}`));
    update.polls += 1;
    if (update.status === 'InProgress' && !this.hold) this.end(update);
    const { status, type, errors } = update;
    send(response, { update: { id, status, type, errors, createdAt: 1735689600 } });
  }

  private describe(name: string, { issues, ...group }: SimulatedGroup): object {
    return { nodegroupName: name, clusterName: this.cluster, ...group, health: { issues } };
  }

  /** Two per page, so that paging is used. */
  private page(key: string, names: string[], url: URL): object {
    const at = Number(url.searchParams.get('nextToken') ?? '0');
    const next = defined({ nextToken: at + 2 < names.length ? String(at + 2) : undefined });
    return { [key]: names.slice(at, at + 2), ...next };
  }
}

function actionOf(method: string, section: string | undefined, one: string | undefined, isUpdate: boolean): string {
  if (isUpdate && method === 'POST') return 'UpdateNodegroupVersion';
  if (section === 'fargate-profiles') return 'ListFargateProfiles';
  if (section === 'updates') return one === undefined ? 'ListUpdates' : 'DescribeUpdate';
  return one === undefined ? 'ListNodegroups' : 'DescribeNodegroup';
}

function notFound(message: string): SimulatedFault {
  return { status: 404, type: 'ResourceNotFoundException', message };
}

function send(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function reject(response: ServerResponse, { status, type, message }: SimulatedFault): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type });
  response.end(JSON.stringify({ message }));
}

/** Error responses of AWS. */
export const FAULTS = {
  throttled: { status: 429, type: 'ThrottlingException', message: 'Rate exceeded' },
  unavailable: { status: 503, type: 'ServiceUnavailableException', message: 'try again later' },
  internal: { status: 500, type: 'ServerException', message: 'internal error' },
  expired: {
    status: 403,
    type: 'ExpiredTokenException',
    message: 'The security token included in the request is expired',
  },
  denied: {
    status: 403,
    type: 'AccessDeniedException',
    message:
      'User: arn:aws:sts::123456789012:assumed-role/ospatch/i-0 is not authorized to perform: eks:DescribeNodegroup on resource: arn:aws:eks:eu-central-1:123456789012:nodegroup/Prod_1/a/b',
  },
} as const satisfies Record<string, SimulatedFault>;
