/** Handles workflows that Temporal does not have, or has already deleted. */
import { isGrpcServiceError } from '@temporalio/client';

const GRPC_NOT_FOUND = 5;

/** Null when the workflow does not exist (any longer). A missing namespace is an error. */
export async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === GRPC_NOT_FOUND && !/namespace/i.test(error.details)) return null;
    throw error;
  }
}
