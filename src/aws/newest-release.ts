/**
 * Which release of its image AWS has published for a node group. The EKS API does not tell, and an update that is asked
 * for although the newest release runs already may replace every node by its like.
 */
import type * as Sdk from '@aws-sdk/client-ssm';
import type { EksAccess } from '../domain/eks/node-groups';
import { newestReleaseParameter } from '../domain/eks/releases';
import { clientConfig } from './client-config';
import { awsErrorKind } from './errors';
import { defined } from '../domain/shared/defined';

/** Nobody waits long for what can be done without. */
const TIMEOUT_MS = 5_000;

/** The groups of a cluster mostly share an image, and are looked at one right after the other. */
const KNOWN_FOR_MS = 60_000;

const RELEASE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

export interface Image {
  amiType: string;
  /** Kubernetes version. */
  version: string;
}

/**
 * `no-such-image`: nothing is published for images of this kind. `not-published`: it would be under this name, and AWS
 * has nothing there. `denied`: the right to read it is missing. `silent`: nobody answered.
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
          // An emulator on this machine has all services in one place; any other endpoint is that of EKS only.
          ...defined({ endpoint: endpoint?.startsWith('http:') === true ? endpoint : undefined }),
        },
        TIMEOUT_MS,
      ),
    );
  }

  close(): void {
    this.client.destroy();
  }

  /** Never fails. */
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
