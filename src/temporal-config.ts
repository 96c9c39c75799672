/** Where Temporal is and how to reach it, as the `temporal` CLI has it: environment variables and its file. */
import { existsSync } from 'node:fs';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { defined } from './domain/shared/defined';
import { OspatchError } from './domain/shared/errors';
import { plainText } from './domain/shared/text';

/**
 * Reads `TEMPORAL_*` and the configuration file. A file that was named and is missing, and keys that nobody knows, are
 * errors: the default address would be used instead, which may be another server.
 * @param profile in the file; default `TEMPORAL_PROFILE`
 * @throws OspatchError `Usage`
 */
export function readTemporalConfig(
  env: NodeJS.ProcessEnv,
  profile: string | undefined,
): ReturnType<typeof loadClientConnectConfig> {
  const file = env['TEMPORAL_CONFIG_FILE'];
  if (file !== undefined && file !== '' && !existsSync(file))
    throw unusable(`TEMPORAL_CONFIG_FILE: found ${JSON.stringify(plainText(file, 200))}; there is no such file`);
  const overrideEnvVars = defined(env as Record<string, string>);
  try {
    return loadClientConnectConfig({ ...defined({ profile }), configFileStrict: true, overrideEnvVars });
  } catch (error) {
    // The SDK stumbles over a file without any profile, e.g. an empty one.
    if (error instanceof TypeError) {
      const named = profile ?? env['TEMPORAL_PROFILE'] ?? '';
      if (named === '') return loadClientConnectConfig({ disableFile: true, overrideEnvVars });
      throw unusable(
        `profile ${JSON.stringify(plainText(named, 100))} is not in the file, which has no profiles`,
        error,
      );
    }
    const why = error instanceof Error ? firstLine(error) : String(error);
    throw unusable(`the Temporal configuration cannot be used: ${plainText(inOurWords(why), 300)}`, error);
  }
}

/** An API key implies TLS, unless TLS is turned off. */
export function usesTls({ tls, apiKey }: { tls?: unknown; apiKey?: unknown }): boolean {
  return (tls !== undefined && tls !== null && tls !== false) || (tls === undefined && apiKey !== undefined);
}

/** The parser quotes the lines around a fault, which may hold an API key. */
function firstLine(error: Error): string {
  const line = 'line' in error && typeof error.line === 'number' ? `, line ${error.line}` : '';
  return `${error.message.split('\n', 1)[0] ?? ''}${line}`;
}

function inOurWords(why: string): string {
  const [, missing] = /^Profile '(.*)' not found in config data/s.exec(why) ?? [];
  if (missing !== undefined) return `profile ${JSON.stringify(missing)} is not in the file`;
  const [, place, keys] = /^Validation error: key\(s\) unrecognized(?: in (\S+))?: (.*)$/s.exec(why) ?? [];
  if (keys === undefined) return why;
  return `unknown key ${keys}${place === undefined ? '' : ` in ${place}`}; allowed: ${ALLOWED[place?.split('.')[2] ?? (place === undefined ? 'file' : 'profile')] ?? ''}`;
}

const ALLOWED: Readonly<Record<string, string>> = {
  file: '[profile.NAME]',
  profile: 'address, namespace, api_key, tls, codec, grpc_meta',
  tls: 'disabled, server_name, client_cert_path, client_cert_data, client_key_path, client_key_data, server_ca_cert_path, server_ca_cert_data',
  codec: 'endpoint, auth',
};

function unusable(message: string, cause?: unknown): OspatchError {
  const remedy = 'check --profile, TEMPORAL_PROFILE and the file that TEMPORAL_CONFIG_FILE names';
  return new OspatchError({ type: 'Usage', message, remedy }, { cause });
}
