import { coresdk } from '@temporalio/proto';
import { acceptEmptyPayloads } from '../src/empty-payloads';

/** A signal `s` whose header `ours` has a payload without content, as the core of the SDK encodes it. */
const ACTIVATION = Buffer.from('0a01722a0f3a0d0a017312002a060a046f757273', 'hex');

describe('src/empty-payloads', () => {
  it('gives a header without content a payload, however often it is asked to', () => {
    acceptEmptyPayloads();
    acceptEmptyPayloads();
    const { jobs } = coresdk.workflow_activation.WorkflowActivation.decode(ACTIVATION);
    expect(jobs[0]?.signalWorkflow?.headers).toEqual({ ours: expect.objectContaining({ metadata: {} }) });
  });
});
