/**
 * Adds the protocol number to the input of every activity centrally, so that none can lack it. Local activities run in
 * the worker of the workflow and need none.
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
