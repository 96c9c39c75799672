import { randomUUID } from 'node:crypto';
import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { finishRun, newClusterState, settleNodes, startRun } from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState, PendingRequest } from '../../../src/domain/cluster/state';
import { decide, restrictionsFor } from '../../../src/domain/cluster/decide';
import { checkSteering, steer } from '../../../src/domain/cluster/steering';
import type { MemberSettled } from '../../../src/domain/cluster/member';
import type { NodeGroupSettled } from '../../../src/domain/eks/status';
import { MAX_NODES } from '../../../src/domain/spec/types';
import { MAX_STATE_BYTES_PER_NODE, maxSpecBytes, specTooLarge } from '../../../src/domain/spec/size';
import { forecasterOf, runForecasts } from '../../../src/domain/run/forecast';
import { briefCursor, briefErrors, briefReport } from '../../../src/domain/run/hand-over-size';
import type { RunCursor } from '../../../src/domain/run/run';
import { ineffectiveReboots, quarantinedNodes } from '../../../src/domain/run/run';
import { storedBytes } from '../../../src/encryption/compression';
import { IDLE, STOP_ON_FAILURE, clusterSpec } from '../../support/builders';
import { random, worstState } from '../../support/worst-state';
import { nodesOf } from '../../support/members';

const T0 = '2027-01-01T00:00:00.000Z';
const T1 = '2027-01-03T00:00:00.000Z';
const MAX_PAYLOAD = 2 * 1024 * 1024;
const carried = (state: ClusterState): ClusterState =>
  unpackState(JSON.parse(JSON.stringify(packState(state))) as ReturnType<typeof packState>);

function suspendedRun({ run }: ClusterState): { run: ActiveRun; cursor: RunCursor } {
  if (run === null || run.suspended === null) throw new Error('no run is suspended');
  return { run, cursor: run.suspended };
}

describe('src/domain/cluster/packed-state', () => {
  it('restores what was packed, texts included while they fit', () => {
    const state = worstState(12);
    state.request = {
      id: 'r1',
      at: '2027-01-01T00:00:00.000Z',
      nodes: [state.nodes[3]?.name ?? '', 'gone'],
      by: 'ann',
      reason: null,
    };
    expect(carried(state)).toEqual(state);
    const { run, cursor } = suspendedRun(state);
    finishRun(state, run, cursor.settled, 'failed', '2027-01-03T02:00:00.000Z');
    state.request = null;
    expect(carried(state)).toEqual(state);
    expect(carried(newClusterState(clusterSpec(), 'id', '2027-01-01T00:00:00.000Z'))).toMatchObject({
      createdBy: 'id',
    });
  });

  it('keeps the records of node groups, which no spec lists', () => {
    const eks = {
      apiVersion: 'ospatch/v1',
      name: 'e',
      type: 'eks',
      patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' },
    } as const;
    const access = { region: 'eu-west-1', cluster: 'e', nodeGroups: ['b', 'a'], force: false };
    const state = newClusterState({ ...eks, eks: access }, null, T0);
    expect(carried(state)).toEqual(state);
    const reading = { at: T1, release: '1.31.3-1', kubernetesVersion: '1.31', releaseBefore: null, warnings: [] };
    const updated = { node: 'b', outcome: 'patched', appliedAt: T1, error: null, workflowRunId: randomUUID() } as const;
    const failed = { type: 'Aws', message: 'AWS ended the update of node group a as Failed', remedy: 'fix a' } as const;
    state.request = { id: 'r1', at: '2027-01-01T00:00:00.000Z', nodes: null, by: 'ann', reason: null };
    const decision = decide(state, Date.parse(T1), IDLE);
    if (decision.do !== 'start-run') throw new Error(decision.do);
    const { policy } = decision.start;
    const more = {
      trigger: 'on-demand',
      startedAt: T1,
      by: null,
      reason: null,
      nodes: ['b', 'a', 'c'],
      policy,
    } as const;
    const run = startRun(state, { number: 1, ...more, nodes: [...more.nodes] });
    const settled: NodeGroupSettled[] = [
      { kind: 'node-group', ...updated, reading: { ...reading, health: ['one'] } },
      { kind: 'node-group', ...updated, node: 'a', outcome: 'failed', appliedAt: null, reading: null, error: failed },
      { kind: 'node-group', ...updated, node: 'c', outcome: 'skipped', appliedAt: null, reading: null },
    ];
    settleNodes(state, run, settled, T1);
    run.suspended = { settled, failures: 1 };
    expect(state.nodes.map(({ state: is, patchedVersion }) => [is, patchedVersion])).toEqual([
      ['patched', '1.31.3-1'],
      ['failed', null],
    ]);
    expect(carried(state)).toEqual(state);
  });

  describe(`of ${MAX_NODES} failed nodes in a suspended run`, () => {
    const state = worstState(MAX_NODES);
    const packed = packState(state);
    const after = unpackState(packed);

    it('takes at most 150 bytes a node beside the spec, and fits into one payload with the spec', () => {
      const { spec, ...rest } = packed;
      expect(storedBytes(rest) / MAX_NODES).toBeLessThan(MAX_STATE_BYTES_PER_NODE);
      expect(specTooLarge(spec, storedBytes(spec))).toBeNull();
      expect(storedBytes(packed)).toBeLessThan(MAX_PAYLOAD);
      // The run workflow that resumes the run gets the specs and the cursor.
      const { nodes } = after;
      expect(storedBytes({ nodes: state.spec, resumeFrom: briefCursor(suspendedRun(after).cursor) })).toBeLessThan(
        MAX_PAYLOAD,
      );
      expect(storedBytes({ nodes: state.spec, quarantined: briefErrors(quarantinedNodes(nodes)) })).toBeLessThan(
        MAX_PAYLOAD,
      );
    });

    it('fits with a run that is set aside, queued requests for parts of the nodes, and a reason for each lock', () => {
      const names = state.nodes.map(({ name }) => name);
      const request = (at: number): PendingRequest => ({
        ...{ id: randomUUID(), at: T0, by: 'ann', reason: null, number: 100 + at },
        nodes: names.filter((_, place) => (place + at) % 3 > 0),
      });
      const requests = Array.from({ length: 20 }, (_, at) => request(at));
      const more: ClusterState = { ...state, queue: requests };
      const { run } = suspendedRun(state);
      more.aside = {
        ...run,
        number: 2,
        cancelledWith: requests.slice(1).map((one) => ({ ...one, number: 1, message: 'x' })),
      };
      more.nodes = state.nodes.map((node) => ({ ...node }));
      let locked = 0;
      const refused = names.map((node) => {
        const message = { node, by: 'ann', reason: random(150).toString('base64') };
        const why = checkSteering(more, 'lock', message, T1);
        if (why !== null) return why;
        locked += 1;
        steer(more, 'lock', message, T1);
        return null;
      });
      expect(locked).toBeGreaterThan(300);
      expect(refused.at(-1)).toMatch(
        /^the reasons of the locks and skips of demo take 6\d{4} characters, .* 65536 that are allowed/,
      );
      const { spec, ...rest } = packState(more);
      expect(storedBytes(rest)).toBeLessThan(MAX_PAYLOAD - maxSpecBytes(MAX_NODES));
      expect(unpackState(packState(more)).queue).toEqual(requests);
      const restrictions = restrictionsFor(more, run, 0);
      const rows = quarantinedNodes(after.nodes);
      const input = {
        ...{
          nodes: 'the spec',
          resumeFrom: briefCursor(suspendedRun(after).cursor),
          quarantined: briefErrors(rows),
          restrictions,
        },
        ineffectiveReboots: ineffectiveReboots(after.nodes),
        forecasts: runForecasts(names, forecasterOf(after.nodes)),
      };
      expect(storedBytes(input)).toBeLessThan(MAX_PAYLOAD - maxSpecBytes(MAX_NODES));
      expect(storedBytes(spec)).toBeLessThan(maxSpecBytes(MAX_NODES));
    });

    it('fits as the report of its run workflow, which tells in full only what the cluster does not know', () => {
      const { settled } = suspendedRun(state).cursor;
      const [first, ...others] = settled.map(({ node }) => node);
      const report = briefReport({ settled, failures: MAX_NODES }, (node) => node !== first);
      expect(report.settled[0]).toBe(settled[0]);
      expect(report.settled.map(({ node }) => node)).toEqual([first, ...others]);
      expect(report.settled[1]).toMatchObject({
        outcome: 'failed',
        reading: { osVersion: expect.any(String), warnings: [] },
      });
      expect(storedBytes(report)).toBeLessThan(MAX_PAYLOAD / 2);
      expect(briefReport({ settled: settled.slice(0, 400), failures: 400 }, () => true).settled[0]).toBe(settled[0]);
    });

    it('keeps the failure and the remedy of every node', () => {
      const { nodes, run } = after;
      const told = nodesOf(nodes).filter(
        ({ name, lastError, quarantine, machineId }) =>
          machineId?.length === 32 &&
          quarantine?.message === lastError?.message &&
          lastError?.message.startsWith(`the host key of ${name} has changed: it shows SHA256:`) === true &&
          lastError.remedy === `if ${name} was installed anew: ospatch enroll --node ${name}`,
      );
      expect(told).toHaveLength(MAX_NODES);
      const known = (one: MemberSettled) => ({
        ...{ node: one.node, outcome: one.outcome, workflowRunId: one.workflowRunId },
        packagesChanged: one.kind === 'node' ? one.packagesChanged : null,
      });
      expect(JSON.stringify(run?.suspended?.settled.map(known))).toBe(
        JSON.stringify(state.run?.suspended?.settled.map(known)),
      );
      expect(JSON.stringify(run?.done)).toBe(JSON.stringify(state.run?.done));
    });
  });

  it('stays within its size when every text differs', () => {
    const state = worstState(1_000);
    for (const node of nodesOf(state.nodes)) {
      const message = random(300).toString('base64');
      node.lastError = { type: 'Internal', message, remedy: random(100).toString('base64') };
      node.quarantine = { type: 'HostKeyMismatch', message: node.lastError.message };
      node.ineffectiveReboot = { bootId: randomUUID(), stamp: null, reasons: [random(100).toString('base64')] };
    }
    const { spec, ...rest } = packState(state);
    expect(spec).toEqual(state.spec);
    // Messages of ospatch are sentences and never this long; such texts must not stop the cluster either.
    const ofCluster = 5_000;
    expect((storedBytes(rest) - ofCluster) / 1_000).toBeLessThan(2 * MAX_STATE_BYTES_PER_NODE);
  });
});
