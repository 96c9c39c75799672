/** Prepares nodes as an administrator and prints what was done. */
import { asSentence } from '../../../domain/shared/text';
import type { SelfManagedSpec } from '../../../domain/spec/types';
import type { CliContext } from '../../io/context';
import { colors, print, printNote } from '../../io/output';
import { adminRemedy } from './admin';
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

/** The nodes that are prepared. Sets exit code 1 when one could not be. */
export async function prepareAndReport(
  context: CliContext,
  spec: SelfManagedSpec,
  { admin, publicKey, keys, isJson = false }: PreparationOptions,
): Promise<string[]> {
  printNote(context, `preparing the nodes as ${admin.user} ...`);
  const say = isJson ? printNote : print;
  const prepared: string[] = [];
  for (const { node, value, error } of await prepareNodes(spec, admin, publicKey, keys)) {
    if (value !== null) say(context, `${node}: ${value.length === 0 ? 'nothing to prepare' : value.join(', ')}`);
    if (error === null) {
      prepared.push(node);
      continue;
    }
    const remedy = adminRemedy(error, admin);
    const color = colors(context, 'stderr');
    context.setExitCode(1);
    printNote(context, `${color.red('error:')} ${asSentence(error.message)}`);
    if (remedy !== undefined) printNote(context, `  ${color.bold('fix:')} ${remedy}`);
  }
  return prepared;
}
