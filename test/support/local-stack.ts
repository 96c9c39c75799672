/** What suites with real parts need: a Temporal server, workers that can be killed, nodes, and a time machine. */
import { TestWorkflowEnvironment } from '@temporalio/testing';

import { findTestServer } from '../../src/dev/test-server';

export { createLab, LAB_USER } from '../../src/dev/lab/lab';
export type { Lab, LabNodeOptions } from '../../src/dev/lab/lab';
export type { LabNode } from '../../src/dev/lab/lab-node';
export { buildDeb, indexRepository, REPOSITORY_DIR, slowPackage } from '../../src/dev/lab/packages';
export type { LabPackage } from '../../src/dev/lab/packages';
export { startTemporalServer } from '../../src/dev/temporal-server';
export type { TemporalServer } from '../../src/dev/temporal-server';
export { startWorkerProcess } from '../../src/dev/worker-process';
export type { WorkerProcess } from '../../src/dev/worker-process';

/** A Temporal server on which time passes as fast as the workflows allow. End it with `teardown()`. */
export async function timeSkippingServer(): Promise<TestWorkflowEnvironment> {
  const executable = await findTestServer(() => undefined);
  return TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
}
