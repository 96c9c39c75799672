/** Options that are given twice. Commander keeps the last value, and the one before would be passed over in silence. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { OspatchError } from '../../domain/shared/errors';
import { show } from '../../domain/spec/issues';

/** An option that may be given several times: its parser gets the values so far. */
export class ListOption extends Option {}

/** Makes every option of `command` and the commands below that takes one value refuse a second one. */
export function refuseRepeatedOptions(command: Command): void {
  for (const option of command.options) {
    if (!(option.required || option.optional) || option instanceof ListOption) continue;
    let earlier: string | null = null;
    command.on(`option:${option.name()}`, (value: string | null) => {
      if (earlier !== null && value !== null) throw givenTwice(option, earlier, value);
      earlier = value;
    });
  }
  command.commands.forEach(refuseRepeatedOptions);
}

function givenTwice(option: Option, earlier: string, later: string): OspatchError {
  const flag = option.short ?? option.long ?? option.flags;
  return new OspatchError({
    type: 'Usage',
    message: `${flag} is given twice: found ${show(earlier)} and ${show(later)}; allowed: one value`,
    remedy: 'leave one of them out',
  });
}
