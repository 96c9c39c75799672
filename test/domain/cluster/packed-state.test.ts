import { randomUUID } from 'node:crypto';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { finishRun, newClusterState } from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import type { NodeSettled } from '../../../src/domain/node/status';
import { MAX_NODES } from '../../../src/domain/spec/types';
import { MAX_STATE_BYTES_PER_NODE, specTooLarge } from '../../../src/domain/spec/size';
import { briefCursor, briefErrors } from '../../../src/domain/run/brief';
import type { RunCursor } from '../../../src/domain/run/run';
import { quarantinedNodes } from '../../../src/domain/run/run';
import { storedBytes } from '../../../src/encryption/compression';
import { clusterSpec } from '../../support/builders';
import { random, worstState } from '../../support/worst-state';

const MAX_PAYLOAD = 2 * 1024 * 1024;
const carried = (state: ClusterState): ClusterState =>
  unpackState(JSON.parse(JSON.stringify(packState(state))) as ReturnType<typeof packState>);

function suspendedRun({ run }: ClusterState): { run: ActiveRun; cursor: RunCursor } {
  if (run === null || run.suspended === null) throw new Error('no run is suspended');
  return { run, cursor: run.suspended };
}

describe('src/domain/cluster/packed-state', () => {
  it('gives back what went in, texts and all, as long as they fit', () => {
    const state = worstState(12);
    state.request = { nodes: [state.nodes[3]?.name ?? '', 'gone'], by: 'ann', reason: null };
    expect(carried(state)).toEqual(state);
    const { run, cursor } = suspendedRun(state);
    finishRun(state, run, cursor.settled, 'failed', '2027-01-03T02:00:00.000Z');
    state.request = null;
    expect(carried(state)).toEqual(state);
    expect(carried(newClusterState(clusterSpec(), 'id', '2027-01-01T00:00:00.000Z'))).toMatchObject({
      createdBy: 'id',
    });
  });

  it('keeps what is on record of node groups, which no spec lists', () => {
    const eks = {
      apiVersion: 'ospatch/v1',
      name: 'e',
      type: 'eks',
      patching: { timeZone: 'UTC', rollout: { onFailure: 'stop' } },
    } as const;
    const access = { region: 'eu-west-1', cluster: 'e', nodeGroups: ['b', 'a'], force: false };
    const state = newClusterState({ ...eks, eks: access }, null, '2027-01-01T00:00:00.000Z');
    const [first] = state.nodes;
    if (first !== undefined) first.nodeGroup = { version: '1.31', releaseBefore: null, health: ['one'] };
    expect(carried(state)).toEqual(state);
  });

  describe(`of ${MAX_NODES} nodes that have all failed in a run that is suspended`, () => {
    const state = worstState(MAX_NODES);
    const packed = packState(state);
    const after = unpackState(packed);

    it('takes at most 150 bytes a node beside the spec, and fits into one payload together with it', () => {
      const { spec, ...rest } = packed;
      expect(storedBytes(rest) / MAX_NODES).toBeLessThan(MAX_STATE_BYTES_PER_NODE);
      expect(specTooLarge(spec, storedBytes(spec))).toBeNull();
      expect(storedBytes(packed)).toBeLessThan(MAX_PAYLOAD);
      // The run workflow that goes on with the run gets the specs and the cursor.
      const { nodes } = after;
      expect(storedBytes({ nodes: state.spec, resumeFrom: briefCursor(suspendedRun(after).cursor) })).toBeLessThan(
        MAX_PAYLOAD,
      );
      expect(storedBytes({ nodes: state.spec, quarantined: briefErrors(quarantinedNodes(nodes)) })).toBeLessThan(
        MAX_PAYLOAD,
      );
    });

    it('still says of every node what happened and what to do', () => {
      const { nodes, run } = after;
      const told = nodes.filter(
        ({ name, lastError, quarantine, machineId }) =>
          machineId?.length === 32 &&
          quarantine?.message === lastError?.message &&
          lastError?.message.startsWith(`the host key of ${name} has changed: it shows SHA256:`) === true &&
          lastError.remedy === `if ${name} was installed anew: ospatch enroll --node ${name}`,
      );
      expect(told).toHaveLength(MAX_NODES);
      const known = ({ node, outcome, workflowRunId, packagesChanged }: NodeSettled) => ({
        ...{ node, outcome, workflowRunId, packagesChanged },
      });
      expect(JSON.stringify(run?.suspended?.settled.map(known))).toBe(
        JSON.stringify(state.run?.suspended?.settled.map(known)),
      );
      expect(JSON.stringify(run?.done)).toBe(JSON.stringify(state.run?.done));
    });
  });

  it('keeps to its size when each text is about one node only', () => {
    const state = worstState(1_000);
    for (const node of state.nodes) {
      const message = random(300).toString('base64');
      node.lastError = { type: 'Internal', message, remedy: random(100).toString('base64') };
      node.quarantine = { type: 'HostKeyMismatch', message: node.lastError.message };
      node.uncuredReboot = { bootId: randomUUID(), stamp: null, reasons: [random(100).toString('base64')] };
    }
    const { spec, ...rest } = packState(state);
    expect(spec).toEqual(state.spec);
    // Such texts do not exist: ours are sentences. They are kept from stopping the cluster all the same.
    expect(storedBytes(rest) / 1_000).toBeLessThan(2 * MAX_STATE_BYTES_PER_NODE);
  });
});
