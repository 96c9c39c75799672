/** Warnings about a node, one line each, with the remedy below. */
import type { NodeWarning } from '../../domain/node/warning';
import type { Colors } from './table';
import { oneLine } from './text';
import { asSentence } from '../../domain/shared/text';

const MAX_MESSAGE = 500;
const PLAIN: Pick<Colors, 'yellow' | 'bold'> = { yellow: String, bold: String };

export function describeWarnings(
  node: string,
  warnings: readonly NodeWarning[],
  color: Pick<Colors, 'yellow' | 'bold'> = PLAIN,
): string[] {
  return warnings.flatMap(({ message, remedy }) => {
    const line = `${color.yellow(oneLine(node))}  warning: ${asSentence(oneLine(message, MAX_MESSAGE))}`;
    return remedy === null ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(remedy, MAX_MESSAGE)}`];
  });
}
