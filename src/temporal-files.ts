/** Files and variables with which a worker reaches Temporal: who may change or read them, and for how long they stay. */
import { loadClientConfigProfile } from '@temporalio/envconfig';
import { homedir } from 'node:os';
import path from 'node:path';
import { defined } from './domain/shared/defined';
import { UntrustedFile, checkTrusted } from './trusted-file';

/** Secrets in themselves, not names of files. */
const SECRET_VARIABLES = /^TEMPORAL_(?:API_KEY|TLS_\w+_DATA|CODEC_AUTH|GRPC_META_\w+)$/;

/**
 * Checks the configuration file of Temporal and the certificates and key that it or the environment names. Whoever can
 * change one of them chooses the server that commands the worker.
 *
 * @throws OspatchError `Usage`
 */
export function checkTemporalFiles(env: NodeJS.ProcessEnv, profile: string | undefined): void {
  const config = env['TEMPORAL_CONFIG_FILE'] || path.join(configHome(env), 'temporalio', 'temporal.toml');
  const loaded = load(env, profile);
  const { apiKey, tls } = loaded ?? {};
  const holdsSecret =
    (apiKey !== undefined && apiKey !== env['TEMPORAL_API_KEY']) ||
    (tls?.clientKey !== undefined && 'data' in tls.clientKey && env['TEMPORAL_TLS_CLIENT_KEY_DATA'] === undefined);
  check(config, 'the configuration of Temporal (TEMPORAL_CONFIG_FILE)', holdsSecret);
  const named = [
    [tls?.clientKey, 'the TLS key for Temporal (TEMPORAL_TLS_CLIENT_KEY_PATH)', true],
    [tls?.clientCert, 'the TLS certificate for Temporal (TEMPORAL_TLS_CLIENT_CERT_PATH)', false],
    [tls?.serverCACert, "the authority of Temporal's certificate (TEMPORAL_TLS_SERVER_CA_CERT_PATH)", false],
  ] as const;
  for (const [source, what, secret] of named) {
    if (source !== undefined && 'path' in source) check(source.path, what, secret);
  }
}

/**
 * Removes the secrets with which Temporal was reached from the environment of this process, so that no program that a
 * library starts inherits them.
 */
export function forgetTemporalSecrets(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (SECRET_VARIABLES.test(name)) delete env[name];
}

/** Undefined when the configuration cannot be used, which is reported where it is read. */
function load(
  env: NodeJS.ProcessEnv,
  profile: string | undefined,
): ReturnType<typeof loadClientConfigProfile> | undefined {
  try {
    const overrideEnvVars = defined(env as Record<string, string>);
    return loadClientConfigProfile({ ...defined({ profile }), overrideEnvVars });
  } catch {
    return undefined;
  }
}

function configHome(env: NodeJS.ProcessEnv): string {
  if (process.platform === 'darwin') return path.join(env['HOME'] ?? homedir(), 'Library', 'Application Support');
  return env['XDG_CONFIG_HOME'] || path.join(env['HOME'] ?? homedir(), '.config');
}

function check(file: string, what: string, secret: boolean): void {
  // The usual way to name no file.
  if (file === '/dev/null') return;
  try {
    checkTrusted(file, { secret, what });
  } catch (error) {
    // A missing file is an error of the configuration, or there is none.
    if (error instanceof UntrustedFile && (error.problem === 'missing' || error.problem === 'unreadable')) return;
    throw error;
  }
}
