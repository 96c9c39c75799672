import type { ClusterState } from '../../../src/domain/cluster/state';
import { applySpecToState, newClusterState, startRun } from '../../../src/domain/cluster/state';
import { decide } from '../../../src/domain/cluster/decide';
import type { EksPolicy, NodegroupFacts } from '../../../src/domain/eks/node-groups';
import { nodegroupRefusal, saysUpToDate, updateFailure } from '../../../src/domain/eks/node-groups';
import { takeNodeGroups } from '../../../src/domain/eks/state';
import { transition } from '../../../src/domain/cluster/member';
import type { NodeGroupSettled } from '../../../src/domain/eks/status';
import { newNodeGroupStatus } from '../../../src/domain/eks/status';
import { parseProgress } from '../../../src/domain/run/progress-parser';
import type { EksSpec } from '../../../src/domain/spec/types';
import { IDLE, STOP_ON_FAILURE, settled, windowAt } from '../../support/builders';
import { defined } from '../../../src/domain/shared/defined';
import { nodeGroupLimits } from '../../../src/domain/run/limits';

const T0 = '2027-01-01T00:00:00.000Z';
const ACCESS = { region: 'eu-central-1', cluster: 'Prod_1' };

function spec(policy: Partial<EksPolicy> = {}): EksSpec {
  return {
    ...{ apiVersion: 'ospatch/v1', name: 'prod', type: 'eks' },
    eks: { ...ACCESS, nodeGroups: 'all', force: false, ...policy },
    patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' },
  };
}

function facts(more: Partial<NodegroupFacts> = {}): NodegroupFacts {
  return {
    ...{ name: 'blue', status: 'ACTIVE', version: '1.31', releaseVersion: '1.31.3-20250103' },
    ...{ amiType: 'AL2023_x86_64_STANDARD', launchTemplate: null, health: [] },
    ...more,
  };
}

/** A state with a run that waits for the list of node groups. */
function nodeGroupsUnresolved(state: ClusterState, names: string[] = []) {
  const more = defined({ explicitNodes: names.length === 0 ? undefined : true });
  const policy = {
    kind: 'node-group',
    ...nodeGroupLimits(STOP_ON_FAILURE, names.length),
    access: ACCESS,
    force: false,
    skipRefused: true,
  } as const;
  return startRun(state, {
    ...{ number: 1, trigger: 'on-demand', startedAt: T0, by: null, reason: null, nodes: names, policy },
    ...{ nodeGroupsUnresolved: true, ...more },
  });
}

describe('src/domain/eks/node-groups', () => {
  it.each([
    [{}, null],
    [{ status: 'UPDATING' }, null],
    [{ status: 'DEGRADED' }, null],
    [{ launchTemplate: 'lt' }, /launch template lt, .* set eks.launchTemplates: true/],
    [{ amiType: 'CUSTOM' }, /runs a custom AMI, for which AWS has no releases/],
    [{ amiType: 'CUSTOM', launchTemplate: 'lt-own' }, /custom AMI of its launch template lt-own/],
    [{ releaseVersion: 'ami-0123456789abcdef0', launchTemplate: 'lt-own' }, /custom AMI of its launch template lt-own/],
    [{ version: '' }, /no Kubernetes version at AWS/],
    [{ status: 'CREATING' }, /is being created/],
    [{ status: 'DELETING' }, /is being deleted/],
    [{ status: 'CREATE_FAILED' }, /is CREATE_FAILED at AWS/],
  ])('decides on a group that is %j', (more, expected) => {
    const refusal = nodegroupRefusal(facts(more), {});
    if (expected === null) expect(refusal).toBeNull();
    else expect(refusal).toMatch(expected);
  });

  it('updates a group with a launch template where the spec says so, unless the template has its own image', () => {
    const policy = { launchTemplates: true };
    expect(nodegroupRefusal(facts({ launchTemplate: 'lt' }), policy)).toBeNull();
    expect(nodegroupRefusal(facts({ launchTemplate: 'lt', amiType: 'CUSTOM' }), policy)).toMatch(/custom AMI/);
  });

  it.each([
    ['No update required', true],
    ['No updates are available for nodegroup blue', true],
    ['Nodegroup blue is already at the latest release version', true],
    ['The nodegroup is up to date', true],
    ['Nodegroup blue currently runs the latest release', true],
    ['Nodegroup must be updated to the latest version of its launch template', false],
    ['There is no newer release for nodegroup blue', true],
    ['Nodegroup blue has the same release version', true],
    ["Nodegroup can't be upgraded because maxSize (2) is equal to desiredSize (2)", false],
    ['Requested Nodegroup release version 1.17.9 is invalid. Allowed release version is 1.16.13', false],
    ['Nodegroup Kubernetes version should be equal to Cluster kubernetes version 1.33', false],
    ['Nodegroup cannot be updated as it is currently not in Active State', false],
    ['You cannot specify the field kubernetesVersion when using custom AMIs', false],
  ])('reads %j', (message, expected) => {
    expect(saysUpToDate(message)).toBe(expected);
  });

  it('reports the errors of an update, with at most five resources each', () => {
    const resourceIds = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const error = { code: 'NodeCreationFailure', message: 'Instances failed to join', resourceIds };
    const update = { id: 'u-1', type: 'VersionUpdate', status: 'Failed', errors: [error] };
    expect(updateFailure('blue', update, false)).toMatchObject({
      type: 'Aws',
      message:
        'AWS ended the update of node group blue as Failed: NodeCreationFailure: Instances failed to join (a, b, c, d, e and 2 more)',
      remedy: expect.stringContaining('--update-id u-1'),
    });
    expect(updateFailure('blue', { ...update, status: 'Successful', errors: [] }, false)).toBeNull();
    expect(updateFailure('blue', { ...update, status: 'Cancelled', errors: [] }, true)?.message).toBe(
      'AWS ended the update started by someone else of node group blue as Cancelled',
    );
  });
});

describe('src/domain/eks/state', () => {
  it('starts a run of all groups without a list, and one of named groups with their names', () => {
    const state = newClusterState(spec(), null, T0);
    state.request = { id: 'r1', at: '2027-01-01T00:00:00.000Z', nodes: null, by: 'ann', reason: null };
    expect(decide(state, Date.parse(T0), IDLE)).toMatchObject({
      do: 'start-run',
      start: {
        nodes: [],
        nodeGroupsUnresolved: true,
        policy: {
          ...{
            kind: 'node-group',
            ...nodeGroupLimits(STOP_ON_FAILURE, 2),
            access: ACCESS,
            force: false,
            skipRefused: true,
          },
        },
      },
    });
    const named = newClusterState(spec({ nodeGroups: ['b', 'a'], force: true }), null, T0);
    named.request = { id: 'r1', at: '2027-01-01T00:00:00.000Z', nodes: null, by: 'ann', reason: null };
    const decision = decide(named, Date.parse(T0), IDLE);
    expect(decision).toMatchObject({
      do: 'start-run',
      start: { nodes: [{ name: 'b' }, { name: 'a' }], policy: { force: true, skipRefused: false } },
    });
    expect(decision).not.toHaveProperty('start.nodeGroupsUnresolved');
  });

  it('sets no boot patch pending for a node group', () => {
    const state = newClusterState(spec({ nodeGroups: ['a'] }), null, T0);
    expect(decide(state, Date.parse(T0), IDLE)).toMatchObject({ do: 'sleep' });
  });

  it('keeps the rows of remaining groups', () => {
    const state = newClusterState(spec(), null, T0);
    expect(takeNodeGroups(state, nodeGroupsUnresolved(state), ['b', 'a'])).toBeNull();
    expect(state.run).toMatchObject({ nodes: ['a', 'b'], removed: [] });
    state.nodes = state.nodes.map((row) => ({ ...row, patchedVersion: 'x' }));
    takeNodeGroups(state, nodeGroupsUnresolved(state), ['c', 'b']);
    expect(state.nodes.map(({ name, state: is, patchedVersion }) => [name, is, patchedVersion])).toEqual([
      ['b', 'waiting', 'x'],
      ['c', 'waiting', null],
    ]);
  });

  it('omits groups that a newer spec no longer names', () => {
    const state = newClusterState(spec(), null, T0);
    const run = nodeGroupsUnresolved(state);
    applySpecToState(state, spec({ nodeGroups: ['b'] }), T0);
    takeNodeGroups(state, run, ['a', 'b']);
    expect(state.nodes.map(({ name }) => name)).toEqual(['b']);
    expect(run).toMatchObject({ nodes: ['a', 'b'], removed: ['a'] });
  });

  it('lets a run of all groups cover a window during the run, and one of named groups not', () => {
    for (const [names, verdict] of [
      [[], 'skip-window'],
      [['a'], 'sleep'],
    ] as const) {
      const state = newClusterState(spec(), null, T0);
      state.spec = { ...spec(), patching: { ...spec().patching, schedule: [{ preset: 'weekly', startWithin: '1h' }] } };
      state.schedule.next = [windowAt(T0)];
      takeNodeGroups(state, nodeGroupsUnresolved(state, [...names]), ['a', 'b']);
      expect(decide(state, Date.parse(T0), { ...IDLE, runWorkflowRunning: true }).do).toBe(verdict);
    }
  });
});

describe('src/domain/eks/status', () => {
  it('keeps the previous release, and its progress reaches the cluster', () => {
    const reading = {
      ...{ at: T0, release: 'new', kubernetesVersion: '1.31', releaseBefore: 'old' },
      ...{ health: ['Code: said (i-1)'], warnings: [] },
    };
    const one: NodeGroupSettled = {
      ...{ kind: 'node-group', node: 'a', outcome: 'patched', appliedAt: T0, error: null, workflowRunId: 'w' },
      reading,
    };
    const news = parseProgress({ run: 1, workflowId: 'r', settled: [one], started: [] }, 1, 'r');
    expect(news?.settled).toEqual([one]);
    const after = transition(newNodeGroupStatus('a'), { kind: 'settled', settled: one });
    expect(after).toEqual({
      ...{ kind: 'node-group', name: 'a', state: 'patched', lastOutcome: 'patched', lastAppliedPatchTime: T0 },
      ...{ patchedVersion: 'new', kubernetesVersion: '1.31', releaseBefore: 'old', health: reading.health },
      ...{ lastCheckedTime: T0, lastError: null, warnings: [] },
    });
    const unchanged = { ...one, reading: { ...reading, releaseBefore: null, health: [] } };
    expect(transition(after, { kind: 'settled', settled: unchanged })).toMatchObject({
      ...{ kubernetesVersion: '1.31', releaseBefore: 'old', health: [] },
    });
  });

  it('ignores a node result for a node group', () => {
    const row = newNodeGroupStatus('a');
    expect(transition(row, { kind: 'settled', settled: settled('a') })).toBe(row);
    expect(
      parseProgress({ run: 1, workflowId: 'r', settled: [{ ...settled('a'), kind: 'pod' }] }, 1, 'r'),
    ).toMatchObject({
      settled: [],
    });
  });
});
