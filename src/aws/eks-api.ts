/** The calls to the EKS API that ospatch makes, through the AWS SDK. Errors are {@link AwsError}s. */
import type * as Sdk from '@aws-sdk/client-eks';
import type { AwsErrorDetail, EksAccess, NodegroupFacts, NodegroupUpdate } from '../domain/eks/node-groups';
import { healthIssues } from '../domain/eks/node-groups';
import { eksEndOfLife } from '../domain/eks/support';
import { plainText } from '../domain/shared/text';
import { clientConfig } from './client-config';
import { toAwsError } from './errors';
import type { Image, NewestRelease } from './newest-release';
import { ReleaseParameters } from './newest-release';

const REQUEST_TIMEOUT_MS = 30_000;

/** Updates of years may be listed; the one in progress is among them. */
const MAX_UPDATES = 500;
const MAX_PAGES = 50;
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
    // Loaded when the first EKS cluster is: most workers never see one.
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
    return this.pages('ListNodegroups', async (nextToken) => {
      const command = new this.sdk.ListNodegroupsCommand({ clusterName: this.access.cluster, ...nextToken });
      const { nodegroups, nextToken: next } = await this.client.send(command, { abortSignal: signal });
      return { items: nodegroups, next };
    });
  }

  async listFargateProfiles(signal: AbortSignal): Promise<string[]> {
    return this.pages('ListFargateProfiles', async (nextToken) => {
      const command = new this.sdk.ListFargateProfilesCommand({ clusterName: this.access.cluster, ...nextToken });
      const { fargateProfileNames, nextToken: next } = await this.client.send(command, { abortSignal: signal });
      return { items: fargateProfileNames, next };
    });
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
      ...(endOfLife === null ? {} : { endOfLife }),
      launchTemplate: launchTemplate === undefined ? null : word(launchTemplate.name ?? launchTemplate.id),
      health: healthIssues(
        (health?.issues ?? []).map(({ code, message, resourceIds }) => detail(code, message, resourceIds)),
      ),
    };
  }

  /** Returns the id of the update. The same token again is the same update. */
  async updateVersion(request: UpdateRequest, signal: AbortSignal): Promise<string> {
    const { nodeGroup, version, force, clientRequestToken } = request;
    // Without a release, AWS takes the latest of the version; without a version it might take that of the cluster.
    const command = new this.sdk.UpdateNodegroupVersionCommand({
      clusterName: this.access.cluster,
      nodegroupName: nodeGroup,
      version,
      clientRequestToken,
      ...(force ? { force } : {}),
    });
    const { update } = await this.call('UpdateNodegroupVersion', () =>
      this.client.send(command, { abortSignal: signal }),
    );
    return word(update?.id);
  }

  /** The newest release of such an image, or why it cannot be known. Never fails. */
  newestRelease(image: Image, signal: AbortSignal): Promise<NewestRelease> {
    return this.parameters.newestRelease(image, signal);
  }

  async listUpdates(nodeGroup: string, signal: AbortSignal): Promise<string[]> {
    const ids = await this.pages('ListUpdates', async (nextToken) => {
      const command = new this.sdk.ListUpdatesCommand({
        name: this.access.cluster,
        nodegroupName: nodeGroup,
        ...nextToken,
      });
      const { updateIds, nextToken: next } = await this.client.send(command, { abortSignal: signal });
      return { items: updateIds, next };
    });
    return ids.slice(0, MAX_UPDATES);
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

  private async pages(
    action: string,
    read: (nextToken: { nextToken?: string }) => Promise<{ items: string[] | undefined; next: string | undefined }>,
  ): Promise<string[]> {
    const all: string[] = [];
    let nextToken: { nextToken?: string } = {};
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const { items, next } = await this.call(action, () => read(nextToken));
      all.push(...(items ?? []).map(word));
      if (next === undefined || next === '') break;
      nextToken = { nextToken: next };
    }
    return all;
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
