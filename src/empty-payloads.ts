/** Payloads without any content, in the headers and memos that anybody can send with a message to a workflow. */
import { coresdk, temporal } from '@temporalio/proto';

type Payloads = Record<string, temporal.api.common.v1.IPayload | null> | null | undefined;

let isAccepted = false;

/**
 * Call before a worker is created. What the SDK (1.22, with protobufjs 7) decodes from the entry of a map without content is null. The
 * SDK throws on that in each attempt at the workflow task, so one message would stop its workflow for good.
 */
export function acceptEmptyPayloads(): void {
  if (isAccepted) return;
  isAccepted = true;
  const { WorkflowActivation } = coresdk.workflow_activation;
  // The first call replaces the function by the one that is generated then.
  WorkflowActivation.decode(new Uint8Array());
  const decode = WorkflowActivation.decode.bind(WorkflowActivation);
  WorkflowActivation.decode = (...args) => {
    const activation = decode(...args);
    for (const { initializeWorkflow, signalWorkflow, doUpdate, queryWorkflow } of activation.jobs) {
      fill((initializeWorkflow ?? signalWorkflow ?? doUpdate ?? queryWorkflow)?.headers);
      fill(initializeWorkflow?.memo?.fields);
    }
    return activation;
  };
}

function fill(payloads: Payloads): void {
  if (!payloads) return;
  for (const [name, payload] of Object.entries(payloads))
    if (payload === null) payloads[name] = temporal.api.common.v1.Payload.create();
}
