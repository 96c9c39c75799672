/**
 * The default converter; in a worker with encryption, messages and stacks of failures are payloads too. A workflow
 * cannot read settings, so the worker prepends a flag to the bundle. Replay does not compare failures, so encryption
 * can be turned on and off at any time.
 */
import { DefaultFailureConverter } from '@temporalio/common';

const encodeCommonAttributes = (globalThis as { ospatchEncryptsFailures?: boolean }).ospatchEncryptsFailures === true;

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes });
