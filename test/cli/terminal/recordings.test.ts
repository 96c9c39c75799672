/** What a terminal shows, key by key, recorded with tmux. Answers are prepared: see prepared-answers.ts. */
import path from 'node:path';
import { golden } from '../../support/golden';
import type { TmuxTerminal } from '../../support/tmux';
import { Tmux } from '../../support/tmux';

const ROOT = path.resolve(__dirname, '../../..');
const OSPATCH = `${process.execPath} -r ./tools/register.js test/cli/terminal/prepared-shell.ts`;
const SHELL = `cd ${ROOT} && exec ${OSPATCH}`;
const ROWS = 30;
const PROMPT = /^(\[\d+\] )?\$$/m;
/** The prompt is the last line. */
const AT_PROMPT = /(^|\n)(\[\d+\] )?\$$/;
/** The same after a command: before the terminal echoes the command, the prompt before it is the last line too. */
const COMMAND_ENDED = /^(\[\d+\] )?\$ \S[^]*\n(\[\d+\] )?\$$/;

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
    await shoot(command, COMMAND_ENDED);
  }
  await watch(terminal, shoot);
  await clear(terminal);
  await enter(terminal, 'ospatch patch fleet-3 --wait');
  await shoot('a wait', /worker-003/);
  await terminal.keys('q', 'Enter', 'x');
  await terminal.keys('C-c');
  await shoot('a wait that Ctrl-C leaves', AT_PROMPT);
  // At the end: the size that the shell sees changes some time after that of the terminal.
  if (columns === 140)
    shots.push(`---- the display after a resize to 60 columns and 16 rows\n${await resize(terminal)}`);
  return shots.join('\n\n');
}

type Shoot = (name: string, pattern: RegExp) => Promise<void>;

/** A display in 140 columns that becomes one of 60 columns and 16 rows. */
async function resize(terminal: TmuxTerminal): Promise<string> {
  await clear(terminal);
  await enter(terminal, 'ospatch status fleet-60 --watch');
  await terminal.until(/a guess that assumes 20m per node/);
  await terminal.resize(60, 16);
  const small = await terminal.until(/Enter detail {2}p (pause|resume) {2}r retry {2}s skip$/, () => terminal.screen());
  await terminal.keys('q');
  await terminal.until(AT_PROMPT);
  return small;
}

async function watch(terminal: TmuxTerminal, shoot: Shoot): Promise<void> {
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

beforeAll(() => {
  tmux = new Tmux({ TZ: 'UTC', LC_ALL: 'C.UTF-8', TERM: 'screen-256color' });
});
afterAll(() => tmux.close());

describe('recordings of a terminal', () => {
  const sizes = [40, 80, 140];

  beforeAll(async () => {
    texts = new Map(await Promise.all(sizes.map(async (columns) => [columns, await record(columns)] as const)));
  }, 60_000);

  test.each(sizes)('with %i columns are as kept', (columns) => {
    const text = texts.get(columns) ?? '';
    expect(text).toBe(golden(__dirname, `terminal-${columns}`, text));
  });
});

/** What the terminal of a shell is set to, as the first line of its modes. */
async function modesOf(terminal: TmuxTerminal): Promise<string> {
  await enter(
    terminal,
    `stty -a | tr ' ' '\\n' | grep -Ex '(-?)(echo|icanon|isig);?' | tr -d ';' | sort | xargs echo MODES`,
  );
  const text = await terminal.until(/MODES .*\nREADY$/);
  return text.split('\n').at(-2) ?? '';
}

describe('a terminal after a display', () => {
  const READY = /(^|\n)READY$/;

  test('is as before after a stop, a continuation, and every signal that ends the display', async () => {
    const ends = ['TERM', 'HUP'].map(async (signal) => {
      const terminal = await tmux.open(100, ROWS, `cd ${ROOT} && PS1='READY ' exec bash --norc --noprofile -i`);
      await terminal.until(READY);
      await enter(terminal, `${OSPATCH} status fleet-3 --watch`);
      await terminal.until(/> worker-001/);
      await terminal.keys('x', 'y');
      await terminal.keys('C-z');
      await terminal.until(READY);
      const whileStopped = await modesOf(terminal);
      await enter(terminal, 'clear; fg');
      await terminal.until(/> worker-001/);
      await terminal.signal(signal);
      await terminal.until(READY);
      return [whileStopped, await modesOf(terminal)];
    });
    const cooked = 'MODES echo icanon isig';
    expect(await Promise.all(ends)).toEqual([
      [cooked, cooked],
      [cooked, cooked],
    ]);
  });
});
