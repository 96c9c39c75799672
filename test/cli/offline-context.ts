import { Readable, Writable } from 'node:stream';
import type { CliContext } from '../../src/cli/io/context';
import { runCli } from '../../src/cli/main';
import { checkOutput } from '../support/output-schemas';
import { KEY } from '../domain/spec/spec-document';

interface CliRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command line in this process, without a terminal and with a fixed clock. */
export async function runOffline(
  args: string[],
  options: Partial<CliContext> & { input?: string } = {},
): Promise<CliRun> {
  const { input = '', ...context } = options;
  const run: CliRun = { code: 0, stdout: '', stderr: '' };
  const collect = (stream: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        run[stream] += chunk.toString();
        done();
      },
    });
  await runCli(args, {
    stdout: collect('stdout'),
    stderr: collect('stderr'),
    stdin: Readable.from([input]),
    isTTY: false,
    isErrorTTY: false,
    env: {},
    now: () => Date.parse('2026-11-23T12:00:00Z'),
    cwd: process.cwd(),
    setExitCode: (code) => {
      run.code = code;
    },
    ...context,
  });
  checkOutput(args, run.stdout);
  return run;
}

/** A valid spec of one node, with `patching` as YAML. */
export function specText(patching: string, name = 'prod-eu'): string {
  return `apiVersion: ospatch/v1
name: ${name}
patching: ${patching}
ssh: {user: root}
nodes:
  - {name: w-1, host: ${name === 'prod-eu' ? '10.0.0.12' : `${name}.example.com`}, hostKeys: ["${KEY}"]}
`;
}
