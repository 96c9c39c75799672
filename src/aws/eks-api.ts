/** The calls to the EKS API that ospatch makes, through the AWS SDK. Errors are {@link AwsError}s. */
import type * as Sdk from '@aws-sdk/client-eks';
import type { AwsErrorDetail, EksAccess, NodegroupFacts, NodegroupUpdate } from '../domain/eks/node-groups';
import { healthIssues } from '../domain/eks/node-groups';
import { eksEndOfLife } from '../domain/eks/support';
import { plainText } from '../domain/shared/text';
import { clientConfig } from './client-config';
import { checkAwsFiles } from './config-files';
import { toAwsError } from './errors';
import type { Image, NewestRelease } from './newest-release';
import { ReleaseParameters } from './newest-release';
import { defined } from '../domain/shared/defined';

const REQUEST_TIMEOUT_MS = 30_000;

/** Old updates may be listed too; the one in progress is among the first. */
const MAX_UPDATES = 500;
const MAX_NAMES = 5_000;
const MAX_DETAILS = 10;
const MAX_RESOURCES = 20;

export interface UpdateRequest {
  nodeGroup: string;
  version: string;
  force: boolean;
  clientRequestToken: string;
}

export class EksApi {
  private readonly sdk: typeof Sdk;
  private readonly client: Sdk.EKSClient;
  private readonly parameters: ReleaseParameters;

  constructor(private readonly access: EksAccess) {
    checkAwsFiles();
    // Loaded for the first EKS cluster, because most workers never serve one.
    this.sdk = require('@aws-sdk/client-eks') as typeof Sdk;
    this.client = new this.sdk.EKSClient(clientConfig(access, REQUEST_TIMEOUT_MS));
    this.parameters = new ReleaseParameters(access);
  }

  close(): void {
    this.client.destroy();
    this.parameters.close();
  }

  /** Names of the managed node groups. */
  async listNodegroups(signal: AbortSignal): Promise<string[]> {
    const input = { clusterName: this.access.cluster };
    const pages = this.sdk.paginateListNodegroups(this.paging, input, { abortSignal: signal });
    return this.names('ListNodegroups', pages, ({ nodegroups }) => nodegroups);
  }

  async listFargateProfiles(signal: AbortSignal): Promise<string[]> {
    const input = { clusterName: this.access.cluster };
    const pages = this.sdk.paginateListFargateProfiles(this.paging, input, { abortSignal: signal });
    return this.names('ListFargateProfiles', pages, ({ fargateProfileNames }) => fargateProfileNames);
  }

  async describeNodegroup(nodeGroup: string, signal: AbortSignal): Promise<NodegroupFacts> {
    const command = new this.sdk.DescribeNodegroupCommand({
      clusterName: this.access.cluster,
      nodegroupName: nodeGroup,
    });
    const { nodegroup } = await this.call('DescribeNodegroup', () =>
      this.client.send(command, { abortSignal: signal }),
    );
    const { launchTemplate, health } = nodegroup ?? {};
    const image = { version: word(nodegroup?.version), amiType: word(nodegroup?.amiType) };
    const endOfLife = eksEndOfLife(image, Date.now());
    return {
      name: nodeGroup,
      status: word(nodegroup?.status),
      ...image,
      releaseVersion: word(nodegroup?.releaseVersion),
      ...defined({ endOfLife: endOfLife ?? undefined }),
      launchTemplate: launchTemplate === undefined ? null : word(launchTemplate.name ?? launchTemplate.id),
      health: healthIssues(
        (health?.issues ?? []).map(({ code, message, resourceIds }) => detail(code, message, resourceIds)),
      ),
    };
  }

  /** Returns the id of the update. Repeating the call with the same token returns the same update. */
  async updateVersion(request: UpdateRequest, signal: AbortSignal): Promise<string> {
    const { nodeGroup, version, force, clientRequestToken } = request;
    // Without a release, AWS installs the latest of the version; without a version it may use the cluster's version.
    const command = new this.sdk.UpdateNodegroupVersionCommand({
      clusterName: this.access.cluster,
      nodegroupName: nodeGroup,
      version,
      clientRequestToken,
      ...defined({ force: force || undefined }),
    });
    const { update } = await this.call('UpdateNodegroupVersion', () =>
      this.client.send(command, { abortSignal: signal }),
    );
    return word(update?.id);
  }

  /** The newest release of the image, or why it is unknown. Never throws. */
  newestRelease(image: Image, signal: AbortSignal): Promise<NewestRelease> {
    return this.parameters.newestRelease(image, signal);
  }

  async listUpdates(nodeGroup: string, signal: AbortSignal): Promise<string[]> {
    const input = { name: this.access.cluster, nodegroupName: nodeGroup };
    const pages = this.sdk.paginateListUpdates(this.paging, input, { abortSignal: signal });
    return this.names('ListUpdates', pages, ({ updateIds }) => updateIds, MAX_UPDATES);
  }

  async describeUpdate(nodeGroup: string, updateId: string, signal: AbortSignal): Promise<NodegroupUpdate> {
    const command = new this.sdk.DescribeUpdateCommand({
      name: this.access.cluster,
      nodegroupName: nodeGroup,
      updateId,
    });
    const { update } = await this.call('DescribeUpdate', () => this.client.send(command, { abortSignal: signal }));
    return {
      id: updateId,
      type: word(update?.type),
      status: word(update?.status),
      errors: (update?.errors ?? [])
        .slice(0, MAX_DETAILS)
        .map(({ errorCode, errorMessage, resourceIds }) => detail(errorCode, errorMessage, resourceIds)),
    };
  }

  /** Stops when a server returns the same page token forever. */
  private get paging() {
    return { client: this.client, stopOnSameToken: true };
  }

  private names<P>(
    action: string,
    pages: AsyncIterable<P>,
    namesIn: (page: P) => string[] | undefined,
    max = MAX_NAMES,
  ): Promise<string[]> {
    return this.call(action, async () => {
      const all: string[] = [];
      for await (const page of pages) {
        all.push(...(namesIn(page) ?? []).map(word));
        if (all.length >= max) break;
      }
      return all.slice(0, max);
    });
  }

  private async call<T>(action: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw toAwsError(error, action, this.access);
    }
  }
}

function detail(code: unknown, message: unknown, resourceIds: readonly unknown[] | undefined): AwsErrorDetail {
  return {
    code: word(code),
    message: typeof message === 'string' ? plainText(message, 300) : '',
    resourceIds: (resourceIds ?? []).slice(0, MAX_RESOURCES).map(word),
  };
}

function word(value: unknown): string {
  return typeof value === 'string' ? plainText(value, 200) : '';
}
