/**
 * The address of a cluster in the Temporal UI, where it is known: as TEMPORAL_UI_URL names the UI, of Temporal Cloud, or of an
 * `ospatch dev` on this machine. It is never guessed.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { clusterWorkflowId } from '../contract/workflow-ids';
import { OspatchError } from '../domain/shared/errors';
import { show } from '../domain/spec/issues';

type Env = Readonly<Record<string, string | undefined>>;

const CLOUD = 'https://cloud.temporal.io';
const CLOUD_ADDRESS = /\.(tmprl\.cloud|api\.temporal\.io)(:\d+)?$/;
const LOCAL_ADDRESS = /^(localhost|127\.0\.0\.1|\[::1\]):(\d+)$/;

/**
 * Null where the address of the UI is not known. Without a run id, so that the link stays right when the workflow continues as new.
 * @throws OspatchError `Usage` when TEMPORAL_UI_URL is no address
 */
export function temporalUiLink(
  { address, namespace }: { address: string; namespace: string },
  cluster: string,
  env: Env,
): string | null {
  const base = baseOf(address, namespace, env);
  if (base === null) return null;
  return `${base}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(clusterWorkflowId(cluster))}`;
}

function baseOf(address: string, namespace: string, env: Env): string | null {
  const named = env['TEMPORAL_UI_URL'] ?? '';
  if (named !== '') return plainAddress(named);
  // A namespace of Temporal Cloud is NAME.ACCOUNT.
  if (CLOUD_ADDRESS.test(address)) return namespace.includes('.') ? CLOUD : null;
  const [, , port] = LOCAL_ADDRESS.exec(address) ?? [];
  return port === undefined ? null : ofLocalStack(devUiFile(port, env));
}

/** Without credentials, which do not belong on a screen. */
function plainAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  throw new OspatchError({
    type: 'Usage',
    message: `TEMPORAL_UI_URL: found ${show(text.replace(/\/\/.*@/, '//'))}; allowed: an address that begins with http:// or https://`,
    remedy: 'set it to the address of the Temporal UI, e.g. https://temporal.example.com',
  });
}

/** Where `ospatch dev` with this port notes its UI while it runs: its process id and the address. */
export function devUiFile(port: number | string, env: Env): string {
  const cache = env['OSPATCH_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ospatch');
  return resolve(cache, 'dev', `ui-${port}`);
}

function ofLocalStack(file: string): string | null {
  try {
    const [pid, url = ''] = readFileSync(file, 'utf8').trim().split(' ');
    // One that was killed could not take its note away.
    process.kill(Number(pid), 0);
    return url === '' ? null : url;
  } catch {
    return null;
  }
}
