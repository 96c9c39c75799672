/** `ospatch replay` on histories in files; test/upgrade covers those of a server. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCli } from '../support/run-cli';

const HISTORIES = path.join(__dirname, 'histories');

interface Recorded {
  events: {
    eventId: string;
    workflowExecutionStartedEventAttributes?: { workflowType: { name: string } };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

const original = (readdirSync(HISTORIES, { recursive: true }) as string[]).find(
  (file) => file.includes('boot-with-reboot') && file.includes('-patchNode-'),
);

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-replay-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Writes a recorded history after `change`, or the file content that `change` returns. */
function write(name: string, change: (history: Recorded) => unknown): void {
  const history = JSON.parse(readFileSync(path.join(HISTORIES, original ?? ''), 'utf8')) as Recorded;
  writeFileSync(path.join(dir, name), JSON.stringify(change(history) ?? history));
}

describe('ospatch replay --dir', () => {
  it('replays what this code has recorded, also as a list of events and partial', async () => {
    write('whole.json', () => undefined);
    write('list.json', ({ events }) => events);
    write('started.json', ({ events }) => ({ events: events.slice(0, 3) }));
    expect(await runCli(['replay', '--dir', dir])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^ospatch \S+ can replay all of 3 histories \(3 patchNode\)\n$/) as string,
      stderr: '',
    });
  });

  it('names each failing history with the reason, and exits with 1', async () => {
    write('whole.json', () => undefined);
    write('other-step.json', ({ events }) => {
      for (const { activityTaskScheduledEventAttributes: scheduled } of events) {
        if (scheduled?.activityType.name === 'apply') scheduled.activityType.name = 'repair';
      }
    });
    write('other-type.json', ({ events: [first] }) => {
      if (first?.workflowExecutionStartedEventAttributes) {
        first.workflowExecutionStartedEventAttributes.workflowType.name = 'gone';
      }
    });
    write('gap.json', ({ events }) => ({ events: events.toSpliced(4, 1) }));
    write('empty.json', () => ({ events: [] }));
    write('tail.json', ({ events }) => ({ events: events.slice(1) }));
    writeFileSync(path.join(dir, 'cut.json'), '{"events": [');
    const { code, stdout } = await runCli(['replay', '--dir', dir, '-o', 'json']);
    expect(code).toBe(1);
    const failures = (JSON.parse(stdout) as { name: string; failure: string | null }[]).map(
      ({ name, failure }) => [name, failure] as const,
    );
    expect(failures).toEqual([
      ['cut.json', expect.stringMatching(/^the file holds no history: /)],
      ['empty.json', 'the history has no events'],
      ['gap.json', 'event 5 of the history is missing'],
      [
        'other-step.json',
        "this code does something else than was recorded: Activity type of scheduled event 'repair' does not match activity type of activity command 'apply'",
      ],
      ['other-type.json', 'this code has no workflow of the type gone'],
      ['tail.json', 'the history does not begin with the start of a workflow'],
      ['whole.json', null],
    ]);
  });

  it('rejects a directory without histories', async () => {
    const { code, stderr } = await runCli(['replay', '--dir', dir]);
    expect(code).toBe(2);
    expect(stderr).toContain(`--dir: there is no history (*.json) in ${dir}.`);
    expect((await runCli(['replay', '--dir', path.join(dir, 'none')])).code).toBe(2);
  });
});
