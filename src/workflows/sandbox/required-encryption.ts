/**
 * At a worker that requires encryption, the task of a workflow whose start argument was not encrypted fails and waits. So a
 * mistake in the order in which encryption is introduced costs time, and no cluster: the workflow goes on where it was as soon as
 * a worker takes it that does not require encryption. A workflow cannot read settings, so the worker prepends a flag to the bundle;
 * what a workflow does never depends on it, only whether it does anything.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { START_NOT_ENCRYPTED } from '../../domain/shared/unreadable';
import { areAuthentic, isUndecrypted } from './authentic-payloads';

export function interceptors(): WorkflowInterceptors {
  const isRequired = (globalThis as { ospatchRequiresEncryption?: boolean }).ospatchRequiresEncryption === true;
  if (!isRequired) return {};
  return {
    internals: [
      {
        activate(input, next) {
          for (const { initializeWorkflow } of input.activation.jobs ?? []) {
            const { arguments: content } = initializeWorkflow ?? {};
            // Reading an argument that cannot be decrypted fails with the reason.
            if (initializeWorkflow && !areAuthentic(content) && !(content ?? []).some((one) => isUndecrypted(one))) {
              throw new Error(
                `the start argument of the workflow ${START_NOT_ENCRYPTED} (OSPATCH_ENCRYPTION_REQUIRED)`,
              );
            }
          }
          return next(input);
        },
      },
    ],
  };
}
