/**
 * The newest published release of a node group's image. The EKS API does not report it, and an update requested for a
 * group at the newest release may replace every node for nothing.
 */
import type * as Sdk from '@aws-sdk/client-ssm';
import type { EksAccess } from '../domain/eks/node-groups';
import { newestReleaseParameter } from '../domain/eks/releases';
import { clientConfig } from './client-config';
import { awsErrorKind } from './errors';
import { defined } from '../domain/shared/defined';

/** Short, because the result is optional. */
const TIMEOUT_MS = 5_000;

/** The groups of a cluster usually share an image and are inspected right after each other. */
const KNOWN_FOR_MS = 60_000;

const RELEASE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

export interface Image {
  amiType: string;
  /** Kubernetes version. */
  version: string;
}

/**
 * `no-such-image`: AWS publishes nothing for images of this kind. `not-published`: AWS has no release under this name.
 * `denied`: the permission is missing. `silent`: no answer.
 */
export type NewestRelease =
  { release: string } | { release: null; why: 'no-such-image' | 'not-published' | 'denied' | 'silent' };

/** The public parameters of AWS Systems Manager. */
export class ReleaseParameters {
  private readonly sdk: typeof Sdk;
  private readonly client: Sdk.SSMClient;
  private readonly releases = new Map<string, { found: NewestRelease; until: number }>();

  constructor({ region, profile, endpoint }: EksAccess) {
    this.sdk = require('@aws-sdk/client-ssm') as typeof Sdk;
    this.client = new this.sdk.SSMClient(
      clientConfig(
        {
          region,
          ...defined({ profile }),
          // A local emulator serves all AWS services; any other endpoint is only that of EKS.
          ...defined({ endpoint: endpoint?.startsWith('http:') === true ? endpoint : undefined }),
        },
        TIMEOUT_MS,
      ),
    );
  }

  close(): void {
    this.client.destroy();
  }

  /** Never throws. */
  async newestRelease({ amiType, version }: Image, signal: AbortSignal): Promise<NewestRelease> {
    const name = newestReleaseParameter(amiType, version);
    if (name === null) return { release: null, why: 'no-such-image' };
    const known = this.releases.get(name);
    if (known !== undefined && performance.now() < known.until) return known.found;
    const found = await this.read(name, signal);
    this.releases.set(name, { found, until: performance.now() + KNOWN_FOR_MS });
    return found;
  }

  private async read(name: string, signal: AbortSignal): Promise<NewestRelease> {
    try {
      const command = new this.sdk.GetParameterCommand({ Name: name });
      const value = (await this.client.send(command, { abortSignal: signal })).Parameter?.Value;
      return value !== undefined && RELEASE.test(value) ? { release: value } : { release: null, why: 'not-published' };
    } catch (error) {
      signal.throwIfAborted();
      const kind = awsErrorKind(error);
      if (kind === 'not-found') return { release: null, why: 'not-published' };
      return { release: null, why: kind === 'denied' ? 'denied' : 'silent' };
    }
  }
}
