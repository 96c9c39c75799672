import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Server } from 'node:http';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { TlsOptions } from '../../encryption/codec-server';
import { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { portFrom } from '../options/port';
import { runCommand } from '../io/errors';
import { print, printNote } from '../io/output';

const EXAMPLES = `
Examples:
  OSPATCH_ENCRYPTION_KEYS=/etc/ospatch/encryption ospatch codec-server --ui-origin http://localhost:8233
  temporal workflow show -w cluster/prod-eu --codec-endpoint http://127.0.0.1:8081 --codec-auth "Bearer $TOKEN"

Every request needs the token. The one of --token-file is kept; the file is written, readable by you alone, when there is none.
Without --token-file the token is printed, and ends with the server. In the Temporal UI, which sends no token of its own, enter
http://127.0.0.1:8081/token/TOKEN under the glasses icon as codec endpoint.

Whoever decodes reads everything. With --allow-encode whoever has the token can command clusters too. What is encrypted is for
one workflow, which is named in the endpoint: --codec-endpoint http://127.0.0.1:8081/default/cluster/prod-eu`;

const MIN_TOKEN = 16;

interface CodecServerCommand {
  port: number;
  listen: string;
  uiOrigin?: string;
  tokenFile?: string;
  allowEncode?: boolean;
  tlsCert?: string;
  tlsKey?: string;
  tlsClientCa?: string;
  plainHttp?: boolean;
}

export function registerCodecServer(program: Command, context: CliContext): void {
  program
    .command('codec-server')
    .description('decompress and decrypt payloads for the Temporal UI and the temporal CLI, until Ctrl-C')
    .addOption(new Option('--port <port>', 'port').default(8081).argParser(portFrom(1)))
    .option('--listen <address>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option(
        '--ui-origin <origin>',
        'origin of the Temporal UI, whose pages may send requests (default: none)',
      ).argParser(parseOrigin),
    )
    .option('--token-file <file>', 'file with the token of all requests; written when it does not exist')
    .option('--allow-encode', 'encode too, for the workflow that the endpoint names')
    .option('--tls-cert <file>', 'certificate of the server, with --tls-key')
    .option('--tls-key <file>', 'key of the certificate')
    .option('--tls-client-ca <file>', 'authority of the client certificates that requests need (instead of a token)')
    .option('--plain-http', 'no TLS with --listen, because a proxy in front adds it')
    .addHelpText('after', EXAMPLES)
    .action((options: CodecServerCommand) => runCommand(context, () => serve(context, options)));
}

async function serve(context: CliContext, options: CodecServerCommand): Promise<void> {
  const { port, listen, uiOrigin, tokenFile, allowEncode = false } = options;
  const { KEYS_SETTING, keyRingFromEnv } = await import('../../encryption/key-ring.js');
  const { createCodec } = await import('../../encryption/codec.js');
  const { createCodecServer } = await import('../../encryption/codec-server.js');
  const ring = keyRingFromEnv(context.env);
  const tls = await readTls(context, options);
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(listen);
  if (!isLocal && tls === null && options.plainHttp !== true) {
    throw usage(
      `--listen ${listen} without TLS would show the token and all payloads to everybody on the way`,
      'give --tls-cert and --tls-key; behind a proxy that adds TLS: --plain-http',
    );
  }
  const needsToken = tokenFile !== undefined || tls === null || tls.clientCa === null;
  const token = needsToken ? await findToken(context, tokenFile) : null;
  // One payload that cannot be read must not hide the others of a history.
  const codec = createCodec(ring, 'passthrough');
  const settings = { codec, uiOrigin: uiOrigin ?? null, token: token?.token ?? null, allowsEncode: allowEncode, tls };
  const server = startServer(() => createCodecServer(settings));
  server.listen(port, listen);
  await once(server, 'listening').catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen on ${listen} port ${port}: ${why}`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'name another with --listen and --port' }, { cause });
  });
  const scheme = tls === null ? 'http' : 'https';
  print(context, `codec endpoint: ${scheme}://${listen.includes(':') ? `[${listen}]` : listen}:${port}`);
  if (token?.isShown === true) print(context, `token: ${token.token}`);
  if (token?.isNew === true && !token.isShown) printNote(context, `${tokenFile ?? ''} has a new token`);
  if (ring === null) printNote(context, `${KEYS_SETTING} is not set: payloads are decompressed, and none is decrypted`);
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await once(server, 'close');
}

function startServer(create: () => Server): Server {
  try {
    return create();
  } catch (cause) {
    // Of OpenSSL: names no content.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OspatchError(
      {
        type: 'Usage',
        message: `the TLS files cannot be used: ${why}`,
        remedy: 'give certificate and key in PEM, of each other',
      },
      { cause },
    );
  }
}

async function readTls(
  context: CliContext,
  { tlsCert, tlsKey, tlsClientCa }: CodecServerCommand,
): Promise<TlsOptions | null> {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw usage('TLS needs a certificate and its key', 'give both --tls-cert and --tls-key');
  }
  const { readTrusted } = await import('../../trusted-file.js');
  const read = (file: string, option: string, secret = false): Buffer =>
    readTrusted(resolve(context.cwd, file), { secret, what: `the file of ${option}` });
  return {
    cert: read(tlsCert, '--tls-cert'),
    key: read(tlsKey, '--tls-key', true),
    clientCa: tlsClientCa === undefined ? null : read(tlsClientCa, '--tls-client-ca'),
  };
}

/** `isShown`: the user has no other way to it. */
async function findToken(
  context: CliContext,
  tokenFile: string | undefined,
): Promise<{ token: string; isNew: boolean; isShown: boolean }> {
  const fresh = randomBytes(32).toString('hex');
  if (tokenFile === undefined) return { token: fresh, isNew: true, isShown: true };
  const file = resolve(context.cwd, tokenFile);
  const { readTrustedIfThere, readTrusted } = await import('../../trusted-file.js');
  const trust = { secret: true, what: 'the file of --token-file' };
  const isNew = readTrustedIfThere(file, trust) === undefined;
  if (isNew) writeSecret(file, `${fresh}\n`);
  const token = readTrusted(file, trust).toString().trim();
  if (token.length < MIN_TOKEN || !/^[!-~]+$/.test(token)) {
    throw usage(
      `--token-file: ${file} has no token: at least ${MIN_TOKEN} characters without spaces`,
      'generate a token with: openssl rand -hex 32',
    );
  }
  return { token, isNew, isShown: false };
}

/** Replaces nothing. */
function writeSecret(file: string, text: string): void {
  try {
    const fd = openSync(file, 'wx', 0o600);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const message = `--token-file: ${file} cannot be written`;
    const remedy = 'name a file in a directory that you may write to';
    throw new OspatchError({ type: 'Usage', message, remedy }, { cause });
  }
}

function parseOrigin(text: string): string {
  if (/^https?:\/\/[^/\s*]+$/.test(text)) return text;
  throw new InvalidArgumentError('Allowed: scheme, host and port without a path, e.g. http://localhost:8233.');
}

function usage(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'Usage', message, remedy });
}
