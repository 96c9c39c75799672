/**
 * Which release of its image AWS has published for a node group. The EKS API does not tell, and an update that is asked
 * for although the newest release runs already may replace every node by its like.
 */
import type * as Sdk from '@aws-sdk/client-ssm';
import type { EksAccess } from '../domain/eks';
import { newestReleaseParameter } from '../domain/eks-releases';
import { clientConfig } from './client-config';

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

/** The public parameters of AWS Systems Manager. */
export class ReleaseParameters {
  private readonly sdk: typeof Sdk;
  private readonly client: Sdk.SSMClient;
  private readonly releases = new Map<string, { release: string | null; until: number }>();

  constructor({ region, profile, endpoint }: EksAccess) {
    this.sdk = require('@aws-sdk/client-ssm') as typeof Sdk;
    this.client = new this.sdk.SSMClient(
      clientConfig(
        {
          region,
          ...(profile === undefined ? {} : { profile }),
          // An emulator on this machine has all services in one place; any other endpoint is that of EKS only.
          ...(endpoint?.startsWith('http:') === true ? { endpoint } : {}),
        },
        TIMEOUT_MS,
      ),
    );
  }

  close(): void {
    this.client.destroy();
  }

  /** Null when it cannot be known: the right to read it is not given, it is not published, or nobody answers. Never fails. */
  async newestRelease({ amiType, version }: Image, signal: AbortSignal): Promise<string | null> {
    const name = newestReleaseParameter(amiType, version);
    if (name === null) return null;
    const known = this.releases.get(name);
    if (known !== undefined && performance.now() < known.until) return known.release;
    const release = await this.read(name, signal);
    this.releases.set(name, { release, until: performance.now() + KNOWN_FOR_MS });
    return release;
  }

  private async read(name: string, signal: AbortSignal): Promise<string | null> {
    try {
      const command = new this.sdk.GetParameterCommand({ Name: name });
      const value = (await this.client.send(command, { abortSignal: signal })).Parameter?.Value;
      return value !== undefined && RELEASE.test(value) ? value : null;
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }
}
