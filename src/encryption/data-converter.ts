import type { DataConverter } from '@temporalio/common';
import type { OnUnreadable } from './codec';
import { createCodec } from './codec';
import type { KeyRing } from './key-ring';
import { defined } from '../domain/shared/defined';

/** What clients and workers hand to Temporal's SDK; the same with and without keys, so that what is encrypted is refused in a sentence where there are none. */
export function dataConverter(ring: KeyRing | null, onUnreadable: OnUnreadable): DataConverter {
  return {
    payloadCodecs: [createCodec(ring, onUnreadable)],
    ...defined({ failureConverterPath: ring === null ? undefined : require.resolve('./failure-converter') }),
  };
}
