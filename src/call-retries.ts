/** Retries of calls to the Temporal server that end with the connection. */
import type { Interceptor, InterceptorOptions, NextCall } from '@grpc/grpc-js';
import { InterceptingCall, Metadata, status } from '@grpc/grpc-js';
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';

/**
 * `interceptors` of a connection: those of the SDK, whose timer starts a call again also after `close`. A closed channel
 * throws then where nobody catches, and the process would end; here the call ends with CANCELLED.
 */
export const CALL_RETRIES: readonly Interceptor[] = [
  makeGrpcRetryInterceptor(defaultGrpcRetryOptions()),
  (options: InterceptorOptions, nextCall: NextCall): InterceptingCall => {
    try {
      return new InterceptingCall(nextCall(options));
    } catch (error) {
      return new InterceptingCall(endedCall(error instanceof Error ? error.message : String(error)));
    }
  },
];

function endedCall(details: string): ReturnType<NextCall> {
  const nothing = (): void => undefined;
  return {
    start: (_metadata, listener) => {
      process.nextTick(() => {
        listener?.onReceiveMessage?.(null);
        listener?.onReceiveStatus?.({ code: status.CANCELLED, details, metadata: new Metadata() });
      });
    },
    ...{ cancelWithStatus: nothing, sendMessageWithContext: nothing, sendMessage: nothing },
    ...{ startRead: nothing, halfClose: nothing, getPeer: () => '', getAuthContext: () => null },
  };
}
