import { z } from 'zod';
import { specSchema } from './document-schema';

/** JSON Schema (draft 2020-12) of a spec as users write it. Rules that join several fields are not in it. */
export function specJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(specSchema, { io: 'input' });
  return {
    $schema,
    title: 'ospatch cluster spec',
    description: 'One cluster, the policy by which its nodes are patched, and how they are reached.',
    ...schema,
  };
}
