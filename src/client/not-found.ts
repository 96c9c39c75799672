/** What Temporal does not have, or does not keep any more. */
import { isGrpcServiceError } from '@temporalio/client';

const GRPC_NOT_FOUND = 5;

/** Null when there is no such workflow, or none any more. A namespace that does not exist is an error. */
export async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND && !/namespace/i.test(error.details)) return null;
    throw error;
  }
}
