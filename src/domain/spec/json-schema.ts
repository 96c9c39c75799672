import { z } from 'zod';
import { specSchema } from './document-schema';

/** JSON Schema (draft 2020-12) of a spec document. Rules across several fields are not included. */
export function specJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(specSchema, { io: 'input' });
  return {
    $schema,
    title: 'ospatch cluster spec',
    description: 'One cluster: its nodes, the patching policy, and the SSH access.',
    ...schema,
  };
}
