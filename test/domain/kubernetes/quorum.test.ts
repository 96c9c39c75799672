import type { ControlPlane, ControlPlaneMember } from '../../../src/domain/kubernetes/quorum';
import { quorumViolation } from '../../../src/domain/kubernetes/quorum';

/** `+` ready, `-` not ready, `*` in work; the first is the node that is asked about. */
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
  ])('spares the first of etcd %s: %s', (states, spared) => {
    expect(quorumViolation('n0', { ...NOBODY, etcd: members(states) }) === null).toBe(spared);
  });

  it('spares no node of a control plane whose API server says that it is not ready', () => {
    expect(quorumViolation('n0', { ...NOBODY, etcd: members('+++'), failing: ['etcd'] })).toBe(
      'the API server reports that it is not ready (etcd)',
    );
  });

  it('does not ask about etcd for a node without a member', () => {
    expect(quorumViolation('other', { ...NOBODY, etcd: members('+--') })).toBeNull();
  });

  it('keeps one API server, and one control-plane node where neither can be seen', () => {
    expect(quorumViolation('n0', { ...NOBODY, apiServers: members('+-*') })).toBe(
      'no other API server is available (n1 is not ready, n2 is being patched)',
    );
    expect(quorumViolation('n0', { ...NOBODY, apiServers: members('+-+') })).toBeNull();
    expect(quorumViolation('n0', { ...NOBODY, nodes: members('+-') })).toContain('control-plane node');
    expect(quorumViolation('n0', { ...NOBODY, etcd: members('+'), nodes: members('+-') })).toBeNull();
    expect(quorumViolation('n0', { ...NOBODY, nodes: members('+') })).toBeNull();
  });
});
