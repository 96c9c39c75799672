/** What a terminal shows, key by key, recorded with tmux. Answers are prepared: see prepared-answers.ts. */
import path from 'node:path';
import { golden } from '../../support/golden';
import type { TmuxTerminal } from '../../support/tmux';
import { Tmux } from '../../support/tmux';

const ROOT = path.resolve(__dirname, '../../..');
const SHELL = `cd ${ROOT} && exec ${process.execPath} -r ./tools/register.js test/cli/terminal/prepared-shell.ts`;
const ROWS = 30;
const PROMPT = /^(\[\d+\] )?\$$/m;
/** The prompt is the last line. */
const AT_PROMPT = /(^|\n)(\[\d+\] )?\$$/;

/** Commands whose output is text. */
const COMMANDS = [
  'ospatch status demo',
  'ospatch status fleet-60',
  'ospatch plan fleet-3',
  'ospatch events fleet-60',
  'ospatch explain demo w-2',
  'ospatch list',
  'ospatch doctor demo',
  'ospatch status prod-eu',
  `ospatch pause demo --reason ' '`,
  'ospatch patch demo --wait',
];

let tmux: Tmux;
let texts: ReadonlyMap<number, string>;

/** Everything that is recorded in a terminal of `columns`, as one text. */
async function record(columns: number): Promise<string> {
  const terminal = await tmux.open(columns, ROWS, SHELL);
  const shots: string[] = [];
  const shoot = async (name: string, pattern: RegExp): Promise<void> => {
    const text = await terminal.until(pattern);
    shots.push(`${`---- ${name} `.padEnd(columns, '-')}\n${text}`);
  };
  await terminal.until(AT_PROMPT);
  for (const command of COMMANDS) {
    await clear(terminal);
    await enter(terminal, command);
    await shoot(command, AT_PROMPT);
  }
  await watch(terminal, shoot);
  await clear(terminal);
  await enter(terminal, 'ospatch patch fleet-3 --wait');
  await shoot('a wait', /worker-003/);
  await terminal.keys('q', 'Enter', 'x');
  await terminal.keys('C-c');
  await shoot('a wait that Ctrl-C leaves', AT_PROMPT);
  return shots.join('\n\n');
}

async function watch(terminal: TmuxTerminal, shoot: (name: string, pattern: RegExp) => Promise<void>): Promise<void> {
  await clear(terminal);
  await enter(terminal, 'ospatch status fleet-60 --watch');
  await shoot('the display', /> worker-001/);
  await terminal.keys('Down', 'j');
  await shoot('another node', /> worker-003/);
  await terminal.keys('Enter');
  await shoot('its details', /Esc back/);
  await terminal.keys('Escape');
  await terminal.until(/> worker-003/);
  await terminal.keys('?');
  await shoot('the keys', /Keys/);
  await terminal.keys('Escape');
  await terminal.until(/> worker-003/);
  await terminal.keys('l');
  await shoot('a log', /libc6/);
  await terminal.keys('Escape');
  await terminal.until(/> worker-003/);
  await terminal.keys('p');
  await terminal.type("it's frozen");
  await shoot('the question for a reason', /frozen_/);
  await terminal.keys('Enter');
  await shoot('the question before it is sent', /\[y\/N\]/);
  await terminal.keys('y');
  await shoot('what has been done', /is paused;/);
  await terminal.keys('r');
  await terminal.until(/reason: _/);
  await terminal.keys('Enter');
  await terminal.until(/\[y\/N\]/);
  await terminal.keys('y');
  await shoot('a refusal', /another turn/);
  await terminal.keys('q');
  await shoot('the end of the display', PROMPT);
}

/** An empty line clears the screen of the prepared shell. */
async function clear(terminal: TmuxTerminal): Promise<void> {
  await terminal.keys('Enter');
  await terminal.until(/^(\[\d+\] )?\$$/);
}

async function enter(terminal: TmuxTerminal, line: string): Promise<void> {
  await terminal.type(line);
  await terminal.keys('Enter');
}

describe('recordings of a terminal', () => {
  const sizes = [40, 80, 140];

  beforeAll(async () => {
    tmux = new Tmux({ TZ: 'UTC', LC_ALL: 'C.UTF-8', TERM: 'screen-256color' });
    texts = new Map(await Promise.all(sizes.map(async (columns) => [columns, await record(columns)] as const)));
  }, 60_000);
  afterAll(() => tmux.close());

  test.each(sizes)('with %i columns are as kept', (columns) => {
    const text = texts.get(columns) ?? '';
    expect(text).toBe(golden(__dirname, `terminal-${columns}`, text));
  });
});
