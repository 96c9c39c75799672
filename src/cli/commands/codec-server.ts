import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import type { CliContext } from '../io/context';
import { portFrom } from '../options/port';
import { runCommand } from '../io/errors';
import { print, printNote } from '../io/output';

const EXAMPLES = `
Examples:
  OSPATCH_ENCRYPTION_KEYS=/etc/ospatch/encryption ospatch codec-server --ui-origin http://localhost:8233
  temporal workflow show -w cluster/prod-eu --codec-endpoint http://127.0.0.1:8081

In the Temporal UI, enter http://127.0.0.1:8081 under the glasses icon as codec endpoint. Whoever reaches this server
reads everything, so it listens on 127.0.0.1; for others put TLS in front of it and require a token (--token-file).`;

const MIN_TOKEN = 16;

interface CodecServerCommand {
  port: number;
  listen: string;
  uiOrigin?: string;
  tokenFile?: string;
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
    .option('--token-file <file>', 'file with the token that requests must carry')
    .addHelpText('after', EXAMPLES)
    .action((options: CodecServerCommand) => runCommand(context, () => serve(context, options)));
}

async function serve(context: CliContext, { port, listen, uiOrigin, tokenFile }: CodecServerCommand): Promise<void> {
  const { KEYS_SETTING, keyRingFromEnv } = await import('../../encryption/key-ring.js');
  const { createCodec } = await import('../../encryption/codec.js');
  const { createCodecServer } = await import('../../encryption/codec-server.js');
  const ring = keyRingFromEnv(context.env);
  const token = tokenFile === undefined ? null : readToken(resolve(context.cwd, tokenFile));
  if (!['127.0.0.1', '::1', 'localhost'].includes(listen) && token === null) {
    throw usage(`--listen ${listen} would let everybody there read all payloads`, 'give a token with --token-file');
  }
  const server = createCodecServer({ codec: createCodec(ring), uiOrigin: uiOrigin ?? null, token });
  server.listen(port, listen);
  await once(server, 'listening').catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen on ${listen} port ${port}: ${why}`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'name another with --listen and --port' }, { cause });
  });
  print(context, `codec endpoint: http://${listen.includes(':') ? `[${listen}]` : listen}:${port}`);
  if (ring === null) printNote(context, `${KEYS_SETTING} is not set: payloads are decompressed, and none is decrypted`);
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await once(server, 'close');
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const message = `--token-file: ${file} cannot be read`;
    throw new OspatchError({ type: 'Usage', message, remedy: 'name a file with a token that you may read' }, { cause });
  }
  if (token.length >= MIN_TOKEN) return token;
  throw usage(
    `--token-file: ${file} has less than ${MIN_TOKEN} characters`,
    'generate a token with: openssl rand -hex 32',
  );
}

function parseOrigin(text: string): string {
  if (/^https?:\/\/[^/\s*]+$/.test(text)) return text;
  throw new InvalidArgumentError('Allowed: scheme, host and port without a path, e.g. http://localhost:8233.');
}

function usage(message: string, remedy: string): OspatchError {
  return new OspatchError({ type: 'Usage', message, remedy });
}
