/**
 * Writes the protocol number into the input of every activity. Here and not at each call, so that no activity can be
 * without it. Local activities run in the worker that runs the workflow, and need none.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { defaultPayloadConverter } from '@temporalio/workflow';
import type { ProtocolHeader } from '../../contract/protocol';
import { PROTOCOL, PROTOCOL_HEADER, PROTOCOL_SINCE } from '../../contract/protocol';

export function interceptors(): WorkflowInterceptors {
  const content: ProtocolHeader = { protocol: PROTOCOL, since: PROTOCOL_SINCE };
  const header = { [PROTOCOL_HEADER]: defaultPayloadConverter.toPayload(content) };
  return {
    outbound: [{ scheduleActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...header } }) }],
  };
}
