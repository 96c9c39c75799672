/** Hooks of apt that fail after the transaction: a warning, because the packages are installed. */
import type { NodeWarning } from '../../domain/node/warning';
import { plainText } from '../../domain/shared/text';

/** Parses the lines `warning update-hook TEXT` of a phase result. */
export function hookWarnings(lines: readonly string[]): NodeWarning[] {
  return lines.flatMap((line) => {
    const text = /^warning update-hook (.{1,2000})$/.exec(line)?.[1];
    if (text === undefined) return [];
    return {
      kind: 'update-hook',
      message: `a hook of apt failed after its work was done: ${plainText(text, 300)}`,
      remedy: 'run `apt-get update` on the node and fix what the hook reports; hooks are in /etc/apt/apt.conf.d',
    };
  });
}
