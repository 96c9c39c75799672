/** Prepares nodes as an administrator and prints what was done. */
import { asSentence } from '../../../domain/shared/text';
import type { SelfManagedSpec } from '../../../domain/spec/types';
import type { CliContext } from '../../io/context';
import { colors, print, printNote } from '../../io/output';
import type { Admin } from './answers';
import type { KeyOptions } from './machines';
import { prepareNodes } from './machines';

export interface PreparationOptions {
  admin: Admin;
  /** Null: it is not placed. */
  publicKey: string | null;
  keys: KeyOptions;
  /** Standard output is for a document. */
  isJson?: boolean;
}

/** Sets exit code 1 when a node could not be prepared. */
export async function prepareAndReport(
  context: CliContext,
  spec: SelfManagedSpec,
  { admin, publicKey, keys, isJson = false }: PreparationOptions,
): Promise<void> {
  printNote(context, `preparing the nodes as ${admin.user} ...`);
  const say = isJson ? printNote : print;
  for (const { node, value, error } of await prepareNodes(spec, admin, publicKey, keys)) {
    if (value !== null) say(context, `${node}: ${value.length === 0 ? 'nothing to prepare' : value.join(', ')}`);
    if (error === null) continue;
    const color = colors(context, 'stderr');
    context.setExitCode(1);
    printNote(context, `${color.red('error:')} ${asSentence(error.message)}`);
    if (error.remedy !== undefined) printNote(context, `  ${color.bold('fix:')} ${error.remedy}`);
  }
}
