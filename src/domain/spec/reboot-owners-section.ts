/** `patching.rebootOwners` of a spec document. */
import { z } from 'zod';
import type { RebootOwnerPolicy } from '../node/reboot-owners';
import { REBOOT_OWNERS } from '../node/reboot-owners';
import * as field from './fields';

const MAX_OWNERS = REBOOT_OWNERS.length;
const ignoreError = `a list of at most ${MAX_OWNERS} reboot owners, each once`;

export const ignoredOwner = z.strictObject(
  {
    name: field.choice(REBOOT_OWNERS).describe('The program that also reboots nodes.'),
    reason: field.reason.describe(
      'Why it never takes a node down at the same time as ospatch. Shown by plan and doctor.',
    ),
  },
  { error: 'a mapping with name and reason' },
);

export const rebootOwnersSchema = z.strictObject(
  {
    ignore: z
      .array(ignoredOwner, { error: ignoreError })
      .max(MAX_OWNERS, { error: ({ input }) => `found ${(input as unknown[]).length}; allowed: ${ignoreError}` })
      .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, { error: ignoreError })
      .default([])
      .describe(
        'Reboot owners beside which nodes are patched nevertheless, each with a reason. Any other one refuses the node, because two would take nodes down at once.',
      ),
  },
  { error: 'a mapping with ignore' },
);

/** Absent when nothing is ignored, so that specs from before this field stay equal. */
export function normaliseRebootOwners(document: RebootOwnerPolicy | undefined): { rebootOwners?: RebootOwnerPolicy } {
  if (document === undefined || document.ignore.length === 0) return {};
  return { rebootOwners: { ignore: document.ignore.map(({ name, reason }) => ({ name, reason })) } };
}
