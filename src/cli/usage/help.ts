/** `--help` as wide as the terminal. */
import type { Command } from 'commander';
import { Help } from 'commander';
import type { CliContext } from '../io/context';
import { colors } from '../io/output';
import { wrapIndented } from '../render/columns';

/** Narrower descriptions stand below their terms. */
const MIN_DESCRIPTION = 24;
/** Where there is no terminal. */
const PIPE_WIDTH = 80;

/** Commands are copied, so the terminal wraps them. */
const COMMAND = /^ +ospatch |^Usage: /;

/** For `program` and the commands that are added afterwards. */
export function fitHelp(program: Command, context: CliContext): void {
  const columns = colors(context).columns ?? PIPE_WIDTH;
  program.configureHelp({
    helpWidth: columns,
    minWidthToWrap: MIN_DESCRIPTION,
    // Nearly every command has options.
    subcommandTerm: (command) => Help.prototype.subcommandTerm.call(new Help(), command).replace(' [options]', ''),
    formatItem: (term, termWidth, description, helper) => {
      const isNarrow = columns - termWidth - 4 < MIN_DESCRIPTION;
      if (!isNarrow) return Help.prototype.formatItem.call(helper, term, termWidth, description, helper);
      return description === '' ? `  ${term}` : `  ${term}\n      ${description}`;
    },
  });
  program.configureOutput({
    writeOut: (text) => context.stdout.write(fit(text, columns)),
  });
}

/** Sentences that go on in the next line are one paragraph. */
function fit(text: string, columns: number): string {
  return text
    .replaceAll(/^(\S.*[^.:\n])\n(?=\S)/gm, '$1 ')
    .split('\n')
    .map((line) => (COMMAND.test(line) ? line : wrapIndented(line, columns)))
    .join('\n');
}
