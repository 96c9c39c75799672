/** All workflows of ospatch, except that a cluster begins with another command than it does. */
import { condition } from '@temporalio/workflow';

export * from '../../../src/workflows';

export async function cluster(): Promise<void> {
  await condition(() => false, '1 day', { summary: 'what no cluster waits for' });
}
