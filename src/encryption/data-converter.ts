import type { DataConverter } from '@temporalio/common';
import type { CodecOptions, OnUnreadable } from './codec';
import { createCodec } from './codec';
import type { KeyRing } from './key-ring';
import { defined } from '../domain/shared/defined';

/**
 * The data converter of clients and workers; used without keys too, so that encrypted payloads give an explanatory
 * error.
 */
export function dataConverter(
  ring: KeyRing | null,
  onUnreadable: OnUnreadable,
  options: CodecOptions = {},
): DataConverter {
  return {
    payloadCodecs: [createCodec(ring, onUnreadable, options)],
    ...defined({ failureConverterPath: ring === null ? undefined : require.resolve('./failure-converter') }),
  };
}
