import { renderEksPlan } from '../../../src/cli/render/eks-plan';
import type { EksInspection, NodegroupCheck, NodegroupFacts } from '../../../src/domain/eks/node-groups';
import type { EksPlan, EksPlanRequest } from '../../../src/domain/eks/plan';
import { planNodeGroups } from '../../../src/domain/eks/plan';
import type { EksSpec } from '../../../src/domain/spec/types';
import { STOP_ON_FAILURE, windowAt } from '../../support/builders';
import { PLAIN } from '../../cli/support';

const NOW = '2027-01-03T00:00:00.000Z';
const OLD = '1.31.3-20250103';
const NEWEST = '1.31.4-20250203';

const SPEC: EksSpec = {
  ...{ apiVersion: 'ospatch/v1', name: 'prod', type: 'eks' },
  eks: { region: 'eu-central-1', cluster: 'Prod_1', nodeGroups: 'all', force: false },
  patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' },
};

function facts(name: string, more: Partial<NodegroupFacts> = {}): NodegroupFacts {
  return {
    ...{ name, status: 'ACTIVE', version: '1.31', releaseVersion: OLD, newest: NEWEST },
    ...{ amiType: 'AL2023_x86_64_STANDARD', launchTemplate: null, health: [] },
    ...more,
  };
}

const group = (name: string, more: Partial<NodegroupFacts> = {}, skipReason: string | null = null): NodegroupCheck => ({
  ...{ node: name, ok: true, facts: facts(name, more), skipReason },
});

function planned(groups: NodegroupCheck[], more: Partial<EksPlanRequest & EksInspection> = {}): EksPlan {
  const { error = null, ...request } = more;
  return planNodeGroups({
    ...{ spec: SPEC, rows: [], names: null, windows: [], blockers: [], nowMs: Date.parse(NOW) },
    inspection: { error, groups, fargateProfiles: null },
    ...request,
  });
}

describe('src/domain/eks/plan', () => {
  it('says of each node group what AWS would be asked for, one after the other', () => {
    const withoutNewest = facts('d', { amiType: 'WINDOWS_CORE_2022_x86_64' });
    delete withoutNewest.newest;
    const plan = planned([
      group('a'),
      group('b', { releaseVersion: NEWEST }),
      group('c', {}, 'node group c runs a custom AMI'),
      { node: 'd', ok: true, facts: withoutNewest, skipReason: null },
      group('e', { status: 'UPDATING' }),
    ]);
    const request = { kubernetesVersion: '1.31', force: false };
    expect(plan.groups).toMatchObject([
      { nodeGroup: 'a', outcome: 'patched', release: OLD, newest: NEWEST, request, startsAt: NOW },
      { nodeGroup: 'b', outcome: 'up-to-date', release: NEWEST, request: null },
      { nodeGroup: 'c', outcome: 'skipped', reason: 'node group c runs a custom AMI', request: null },
      { nodeGroup: 'd', outcome: null, newest: null, request, reason: expect.stringContaining('not known') },
      { nodeGroup: 'e', outcome: null, request, reason: expect.stringContaining('is updating the node group already') },
    ]);
    expect(new Set(plan.groups.map(({ startsAt }) => startsAt)).size).toBe(5);
    expect(plan).toMatchObject({ trigger: 'on-demand', blockers: [], hold: null, forecast: 'guess' });
  });

  it('stops where the failure budget is spent, and says which groups it does not reach', () => {
    const error = { type: 'NotFound', message: 'AWS knows no node group a' } as const;
    const plan = planned([{ node: 'a', ok: false, facts: null, error }, group('b')]);
    expect(plan.groups).toMatchObject([
      { outcome: 'failed', reason: error.message, request: null },
      { outcome: 'not-tried', request: null, startsAt: null },
    ]);
    expect(plan.blockers).toEqual(['the run would not reach 1 node group: 1 failed, more than the 0 that may']);
  });

  it('begins with the next window, and leaves for the one after it what does not fit', () => {
    const windows = ['2027-01-10', '2027-01-17'].map((day) =>
      windowAt(`${day}T00:00:00Z`, { end: `${day}T00:30:00Z` }),
    );
    const plan = planned([group('a'), group('b')], { windows });
    expect(plan).toMatchObject({ trigger: 'schedule', startsAt: '2027-01-10T00:00:00.000Z' });
    expect(plan.groups.map(({ window }) => window)).toEqual(windows.map(({ start }) => start));
  });

  it.each([40, 80, undefined])('is shown in %p columns', (columns) => {
    const error = { type: 'Aws', message: 'access to eks:DescribeNodegroup is denied' } as const;
    const groups = [group('blue'), group('green', { releaseVersion: NEWEST, health: ['NodeCreationFailure: i-1'] })];
    const text = renderEksPlan(planned(groups, { error }), { zone: 'UTC', color: { ...PLAIN, columns }, all: false });
    expect(text.replace(/\s+/g, ' ')).toContain('not every node group could be read');
    if (columns !== undefined)
      return expect(Math.max(...text.split('\n').map((one) => one.length))).toBeLessThanOrEqual(columns);
    expect(text).toMatch(
      /^Requests +an update of 1 node group to the newest release of the Kubernetes version that each runs$/m,
    );
    expect(text).toMatch(/^blue +00:00-00:20 +1\.31\.3-20250103 +1\.31\.4-20250203 +1\.31 +patched/m);
    expect(text).toMatch(/^green .* up-to-date/m);
    expect(text).toContain('AWS reports: NodeCreationFailure: i-1');
  });
});
