import { createInterface } from 'node:readline';
import type { CliContext } from './context';

/** Whether the user can be asked: both standard input and standard error are a terminal. */
export function canAsk(context: CliContext): boolean {
  const { stdin } = context;
  return context.isErrorTTY && 'isTTY' in stdin && stdin.isTTY === true;
}

/** Asks `question [y/N]` on standard error; anything but a yes counts as no, including Ctrl-C and end of input. */
export function confirm(context: CliContext, question: string): Promise<boolean> {
  const terminal = createInterface({ input: context.stdin, output: context.stderr });
  return new Promise((resolve) => {
    let answer = '';
    terminal.once('SIGINT', () => terminal.close());
    terminal.once('close', () => {
      if (answer === '') context.stderr.write('\n');
      resolve(/^y(es)?$/i.test(answer.trim()));
    });
    terminal.question(`${question} [y/N] `, (line) => {
      answer = line === '' ? 'no' : line;
      terminal.close();
    });
  });
}
