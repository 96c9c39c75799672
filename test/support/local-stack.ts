/** Real parts for suites: a Temporal server, workers that can be killed, nodes, and a server that skips time. */
import type { Connection } from '@temporalio/client';
import type { ClientOptionsForTestEnv } from '@temporalio/testing';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { CALL_RETRIES } from '../../src/call-retries';
import { findTestServer } from '../../tools/test-server';

export { createLab, LAB_USER } from '../../tools/lab/lab';
export type { Lab, LabNodeOptions } from '../../tools/lab/lab';
export type { LabNode } from '../../tools/lab/lab-node';
export { buildDeb, indexRepository, REPOSITORY_DIR, slowPackage } from '../../tools/lab/packages';
export type { LabPackage } from '../../tools/lab/packages';
export { startTemporalServer } from '../../src/dev/temporal-server';
export type { TemporalServer } from '../../src/dev/temporal-server';
export { startWorkerProcess } from '../../tools/worker-process';
export type { WorkerProcess } from '../../tools/worker-process';

/** A Temporal server on which time passes as fast as the workflows allow. End it with `teardown()`. */
export async function timeSkippingServer(client: ClientOptionsForTestEnv = {}): Promise<TestWorkflowEnvironment> {
  const executable = await findTestServer(() => undefined);
  return endingQuietly(await TestWorkflowEnvironment.createTimeSkipping({ server: { executable }, client }));
}

/** The environment with the retries of `CALL_RETRIES`: its own options take no interceptors. */
export function endingQuietly(env: TestWorkflowEnvironment): TestWorkflowEnvironment {
  const { interceptors } = (env.connection as Connection).options;
  interceptors?.splice(0, interceptors.length, ...CALL_RETRIES);
  return env;
}
