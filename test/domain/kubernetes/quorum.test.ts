import type { ControlPlane, ControlPlaneMember } from '../../../src/domain/kubernetes/quorum';
import { quorumViolation } from '../../../src/domain/kubernetes/quorum';

/** `+` ready, `-` not ready, `*` in progress; the first is the node in question. */
function members(states: string): ControlPlaneMember[] {
  return Array.from(states).map((state, index) => ({
    nodeName: `n${index}`,
    ready: state !== '-',
    inWork: state === '*',
  }));
}
const NOBODY: ControlPlane = { etcd: [], apiServers: [], nodes: [], failing: [] };

describe('src/domain/kubernetes/quorum', () => {
  it.each([
    ['+++', true],
    ['-++', true],
    ['++-', false],
    ['++*', false],
    ['*++', true],
    ['+++++', true],
    ['++++-', true],
    ['+++--', false],
    ['++++', true],
    ['+++-', false],
    ['++', true],
    ['+-', false],
    ['+', true],
  ])('decides on the first of etcd %s: %s', (states, spared) => {
    expect(quorumViolation('n0', { ...NOBODY, etcd: members(states) }) === null).toBe(spared);
  });

  it('protects every control-plane node while the API server is not ready', () => {
    expect(quorumViolation('n0', { ...NOBODY, etcd: members('+++'), failing: ['etcd'] })).toBe(
      'the API server reports that it is not ready (etcd)',
    );
  });

  it('does not query etcd for a node without a member', () => {
    expect(quorumViolation('other', { ...NOBODY, etcd: members('+--') })).toBeNull();
  });

  it('keeps one API server, and one control-plane node where neither is visible', () => {
    expect(quorumViolation('n0', { ...NOBODY, apiServers: members('+-*') })).toBe(
      'no other API server is available (n1 is not ready, n2 is being patched)',
    );
    expect(quorumViolation('n0', { ...NOBODY, apiServers: members('+-+') })).toBeNull();
    expect(quorumViolation('n0', { ...NOBODY, nodes: members('+-') })).toContain('control-plane node');
    expect(quorumViolation('n0', { ...NOBODY, etcd: members('+'), nodes: members('+-') })).toBeNull();
    expect(quorumViolation('n0', { ...NOBODY, nodes: members('+') })).toBeNull();
  });
});
