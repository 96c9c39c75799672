/** Whole commands in terminals of several widths with NO_COLOR: no line is longer than the terminal, unless it is one word. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { ClusterClient } from '../../../src/client/cluster-client';
import { textWidth } from '../../../src/cli/render/columns';
import { runOffline, specText } from '../offline-context';
import { preparedClient } from '../terminal/prepared-answers';

const SPECS = {
  'plain.yaml': specText('{schedule: [{preset: weekly, duration: 4h, timeZone: Europe/Berlin}, {preset: monthly}]}'),
  'closed.yaml': specText(
    '{schedule: {preset: weekly, duration: 4h}, blackouts: [{from: "2026-12-20T00:00", to: "2027-01-07T00:00", reason: "no change of any kind during the busiest weeks of the year"}]}',
    'a-cluster-with-a-rather-long-name',
  ),
};

/** Sentences, logs and files are left to the terminal: what a person copies has no line ends of ours. */
const COMMANDS = [
  ...['status demo', 'status fleet-60', 'status fleet-60 --all', 'list', 'list --problems'],
  ...['events fleet-60', 'explain demo', 'explain demo w-2', 'plan fleet-3', 'plan fleet-60', 'doctor demo'],
  ...['next -f plain.yaml', 'next -f closed.yaml', 'calendar -f plain.yaml', 'calendar -f closed.yaml'],
  ...['explain spec', 'explain spec.patching', 'explain spec.patching.rollout'],
  ...['--help', 'patch --help', 'set-max-failures --help', 'apply --help', 'worker --help', 'helper --help'],
];
/** Copied as well. */
const EXAMPLE = /^ +ospatch |^ +[A-Z_]+=.* ospatch |^Usage: /;

async function linesOf(command: string, columns: number, cwd: string): Promise<string[]> {
  const collect = (): { stream: Writable; text: () => string } => {
    let text = '';
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    });
    return { stream: Object.assign(stream, { columns, rows: 50 }), text: () => text };
  };
  const [out, err] = [collect(), collect()];
  const streams = { stdout: out.stream, stderr: err.stream, isTTY: true, isErrorTTY: true };
  const env = { NO_COLOR: '1', TERM: 'xterm' };
  await runOffline(command.split(' '), { ...streams, env, cwd });
  return `${out.text()}\n${err.text()}`.split('\n');
}

describe('commands in a terminal', () => {
  let cwd: string;
  beforeAll(() => {
    cwd = mkdtempSync(path.join(tmpdir(), 'ospatch-widths-'));
    for (const [name, text] of Object.entries(SPECS)) writeFileSync(path.join(cwd, name), text);
  });
  beforeEach(() => {
    jest.spyOn(ClusterClient, 'connect').mockImplementation(() => Promise.resolve(preparedClient()));
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => rmSync(cwd, { recursive: true }));

  it.each([40, 60, 80, 140])('of %i columns print no longer line', async (columns) => {
    const long: string[] = [];
    for (const command of COMMANDS) {
      const lines = await linesOf(command, columns, cwd);
      expect([command, lines.join('').length > 0]).toEqual([command, true]);
      expect([command, lines.join('').includes('\u001b')]).toEqual([command, false]);
      for (const line of lines) {
        const isOneWord = !line.trim().includes(' ');
        if (textWidth(line) > columns && !isOneWord && !EXAMPLE.test(line)) long.push(`${command}: ${line}`);
      }
    }
    expect(long).toEqual([]);
  });
});
