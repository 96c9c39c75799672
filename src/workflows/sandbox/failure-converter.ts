/**
 * The default converter; in a worker that encrypts payloads, messages and stacks of failures are payloads too. A
 * workflow cannot read settings, so the worker says it in front of the bundle. What is in a failure is not compared on
 * replay: encryption can be switched on and off at any time.
 */
import { DefaultFailureConverter } from '@temporalio/common';

const encodeCommonAttributes = (globalThis as { ospatchEncryptsFailures?: boolean }).ospatchEncryptsFailures === true;

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes });
