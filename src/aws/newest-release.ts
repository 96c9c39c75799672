/**
 * Which release of its image AWS has published for a node group. The EKS API does not tell, and an update that is asked
 * for although the newest release runs already may replace every node by its like.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EksAccess } from '../domain/eks';
import { newestReleaseParameter } from '../domain/eks-releases';
import type { AwsCredentials } from './signature';
import { signPost } from './signature';

const ATTEMPTS = 3;
const PAUSE_MS = 500;
const TIMEOUT_MS = 5_000;
const MAX_ANSWER = 10_000;
const RELEASE = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/;

export interface Image {
  amiType: string;
  /** Kubernetes version. */
  version: string;
}

type Answer = { release: string | null } | 'again';

const UNKNOWN = { release: null };

/** Null when it cannot be known: the right to read it is not given, it is not published, or nobody answers. Never fails. */
export async function newestRelease(
  access: EksAccess,
  credentials: () => Promise<AwsCredentials>,
  { amiType, version }: Image,
  signal: AbortSignal,
): Promise<string | null> {
  const name = newestReleaseParameter(amiType, version);
  const url = parameterStore(access);
  if (name === null || url === null) return null;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const answer = await readParameter(access.region, url, credentials, name, signal).catch(() => UNKNOWN);
    signal.throwIfAborted();
    if (answer !== 'again') return answer.release;
    await sleep(PAUSE_MS * attempt, undefined, { signal });
  }
  return null;
}

/** An emulator on this machine has all services in one place. */
function parameterStore({ region, endpoint }: EksAccess): URL | null {
  if (endpoint?.startsWith('http:') === true) return new URL(endpoint);
  if (region.startsWith('cn-')) return new URL(`https://ssm.${region}.amazonaws.com.cn`);
  return region.includes('-iso') ? null : new URL(`https://ssm.${region}.amazonaws.com`);
}

async function readParameter(
  region: string,
  url: URL,
  credentials: () => Promise<AwsCredentials>,
  name: string,
  signal: AbortSignal,
): Promise<Answer> {
  const body = JSON.stringify({ Name: name });
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'AmazonSSM.GetParameter' };
  const response = await fetch(url, {
    method: 'POST',
    headers: signPost({
      ...{ region, service: 'ssm', host: url.host, headers, body },
      ...{ credentials: await credentials(), at: new Date() },
    }),
    body,
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  const text = (await response.text()).slice(0, MAX_ANSWER);
  if (response.status >= 500 || response.status === 429 || text.includes('ThrottlingException')) return 'again';
  return response.ok ? { release: valueIn(JSON.parse(text)) } : UNKNOWN;
}

function valueIn(answer: unknown): string | null {
  const { Parameter: parameter } = (answer ?? {}) as { Parameter?: { Value?: unknown } };
  const value = parameter?.Value;
  return typeof value === 'string' && RELEASE.test(value) ? value : null;
}
