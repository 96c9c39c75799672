/**
 * A prompt at which `ospatch` command lines run with prepared answers in place of a server, at a fixed time. One process for many
 * commands, because starting one takes a second. The prompt shows the exit code of the last command, if it is not 0; an empty line clears the screen.
 * Usage: node -r tools/register.js prepared-shell.ts [ARGUMENT ...], with arguments for one command without a prompt.
 */
import { createInterface } from 'node:readline';
import { ClusterClient } from '../../../src/client/cluster-client';
import { processContext } from '../../../src/cli/io/context';
import { runCli } from '../../../src/cli/main';
import { NOW } from '../support';
import { preparedClient } from './prepared-answers';

/** The screen, and the lines that have left it. */
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

function readLine(prompt: string): Promise<string> {
  // As a shell: the terminal itself echoes.
  const input = createInterface({ input: process.stdin, terminal: false });
  process.stdout.write(prompt);
  return new Promise((resolve) => {
    input.once('line', (line) => {
      input.close();
      resolve(line);
    });
  });
}

async function run(args: readonly string[]): Promise<number> {
  let code = 0;
  await runCli(args, {
    ...processContext(),
    now: () => NOW,
    setExitCode: (value) => {
      code = value;
    },
  });
  return code;
}

function wordsOf(line: string): string[] {
  const [, ...args] = line.match(/'[^']*'|\S+/g) ?? [];
  return args.map((word) => word.replaceAll("'", ''));
}

async function main(): Promise<void> {
  const client = preparedClient();
  ClusterClient.connect = () => Promise.resolve(client);
  const own = process.argv.slice(2);
  if (own.length > 0) {
    process.exitCode = await run(own);
    return;
  }
  let code = 0;
  for (;;) {
    const line = await readLine(code === 0 ? '$ ' : `[${code}] $ `);
    if (line === '') process.stdout.write(CLEAR);
    code = line === '' ? 0 : await run(wordsOf(line));
  }
}

void main();
