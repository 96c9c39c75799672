/** All workflows of ospatch, with a changed first command of the cluster workflow. */
import { condition } from '@temporalio/workflow';

export * from '../../../src/workflows';

export async function cluster(): Promise<void> {
  await condition(() => false, '1 day', { summary: 'what no cluster waits for' });
}
