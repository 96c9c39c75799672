/** One cluster of several has failed. */
import type { ErrorInfo } from '../../domain/shared/errors';
import { asSentence } from '../../domain/shared/text';
import type { Colors } from './table';
import { oneLine } from './text';

/** `subject`: the cluster, or what has failed of it. */
export function renderClusterError(
  subject: string,
  { message, remedy }: Pick<ErrorInfo, 'message' | 'remedy'>,
  color: Colors,
): string[] {
  const line = `${color.red('error:')} ${subject}: ${asSentence(oneLine(message, 1_000))}`;
  return remedy === undefined ? [line] : [line, `  ${color.bold('fix:')} ${oneLine(remedy, 500)}`];
}
