import type { EksInspection, NodegroupFacts } from '../../../src/domain/eks/node-groups';
import { eksFindings } from '../../../src/domain/inspection/eks';
import type { EksSpec } from '../../../src/domain/spec/types';
import { STOP_ON_FAILURE } from '../../support/builders';

const SPEC: EksSpec = {
  ...{ apiVersion: 'ospatch/v1', name: 'prod', type: 'eks' },
  eks: { region: 'eu-central-1', cluster: 'Prod_1', nodeGroups: 'all', force: false },
  patching: { timeZone: 'UTC', rollout: STOP_ON_FAILURE, maxRunAge: '14d' },
};

function seen(more: Partial<NodegroupFacts>): EksInspection {
  const facts: NodegroupFacts = {
    ...{ name: 'blue', status: 'ACTIVE', version: '1.31', releaseVersion: '1.31.3-20250103' },
    ...{ amiType: 'AL2023_x86_64_STANDARD', launchTemplate: null, health: [] },
    ...more,
  };
  return { error: null, groups: [{ node: 'blue', ok: true, facts, skipReason: null }], fargateProfiles: null };
}

function messageFor(more: Partial<NodegroupFacts>): string {
  const { findings, nodes } = eksFindings(SPEC, seen(more));
  return [...findings, ...nodes.flatMap((node) => node.findings)]
    .map(({ severity, message }) => `${severity}: ${message}`)
    .join('\n');
}

describe('src/domain/inspection/eks', () => {
  it('reports the target release of an update, and which group is up to date', () => {
    expect(messageFor({ newest: '1.31.4-20250203' })).toContain(
      'release 1.31.3-20250103, which a run updates to 1.31.4-20250203',
    );
    expect(messageFor({ newest: '1.31.3-20250103' })).toContain(
      'release 1.31.3-20250103, the newest release, Kubernetes 1.31',
    );
    expect(messageFor({ newest: '1.31.3-20250103' })).not.toContain('warning');
  });

  it('warns with the reason where the newest release is unknown', () => {
    expect(messageFor({ newestUnknown: 'denied' })).toContain(
      'warning: the worker may not read which release is the newest',
    );
    expect(messageFor({ newestUnknown: 'silent' })).toContain('warning: AWS Systems Manager does not answer');
    expect(messageFor({ newestUnknown: 'not-published' })).toContain('warning: AWS publishes no newest release of ');
    expect(messageFor({ amiType: 'WINDOWS_CORE_2022_x86_64' })).not.toContain('warning');
  });

  it('does not report the last release of an ended version as the newest release', () => {
    const endOfLife = { kind: 'end-of-life', message: 'AWS has released no more of it', remedy: 'move' } as const;
    const last = messageFor({ newest: '1.31.3-20250103', endOfLife });
    expect(last).toContain('the last release of its line');
    expect(last).toContain('warning: AWS has released no more of it');
  });

  it('lists nodes outside of managed node groups when there is no group', () => {
    const { findings } = eksFindings(SPEC, { error: null, groups: [], fargateProfiles: [] });
    expect(findings[0]?.message).toContain('self-managed nodes belong to no node group');
  });
});
