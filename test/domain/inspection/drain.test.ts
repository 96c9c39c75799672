import { kubernetesFindings, withDrain } from '../../../src/domain/inspection/drain';
import type { DrainPreview } from '../../../src/domain/kubernetes/types';
import { nodeInspection } from '../../support/builders';

const WELL = nodeInspection('w-1');
const OWNER = { cluster: 'prod', node: 'w-1', run: 7, token: '0123456789abcdef' };

function seen(more: Partial<DrainPreview>): Parameters<typeof withDrain>[1] {
  const none = {
    nodeName: 'w-1',
    cordonedBy: 'nobody',
    owner: null,
    evict: 3,
    pods: [],
    ignored: {},
    blockers: [],
    pending: [],
  } as const;
  return { ok: true, preview: { ...none, ignored: {}, pods: [], blockers: [], pending: [], ...more } };
}

describe('src/domain/inspection/drain', () => {
  it('adds the number of pods that a drain would evict to a healthy node', () => {
    expect(withDrain(WELL, seen({}))).toMatchObject({
      verdict: 'ok',
      findings: [{ check: 'ready' }, { check: 'drain', message: 'a drain of w-1 would move 3 pods' }],
    });
  });

  it.each([
    [
      'an blocker',
      { blockers: ['The budget never allows it'] },
      'error',
      'the node cannot be drained: The budget never allows it',
    ],
    [
      'something to wait for',
      { pending: ['a drain would wait for shop/web-1'] },
      'warning',
      'a drain would wait for shop/web-1',
    ],
    [
      'a cordon of others',
      { cordonedBy: 'others' } as const,
      'warning',
      'someone else has cordoned the node in Kubernetes, so a run leaves it cordoned',
    ],
  ])('does not report a node as ready because of %s', (_what, more, verdict, message) => {
    const inspected = withDrain(WELL, seen(more));
    expect(inspected.verdict).toBe(verdict);
    expect(inspected.findings.map((one) => one.message)).toEqual([message]);
  });

  it('reports other reboot owners: one that is not believed as a warning, one that the spec ignores as it is', () => {
    const otherOwners = [
      { kind: 'other-updaters', message: 'kured (DaemonSet shop/kured) looks like one', remedy: 'look' },
      { kind: 'other-updaters', message: 'kured (DaemonSet kured/kured) is ignored: Mondays', remedy: null },
    ] as const;
    const { verdict, findings } = withDrain(WELL, seen({ otherOwners: [...otherOwners] }));
    expect(verdict).toBe('warning');
    expect(findings.filter(({ check }) => check === 'reboot-owners')).toMatchObject([
      { severity: 'warning', message: otherOwners[0].message, remedy: 'look' },
      { severity: 'ok', message: otherOwners[1].message },
    ]);
  });

  it('warns of a Kubernetes version past its end of life, beside the drain preview', () => {
    const ended = { kind: 'end-of-life', message: 'its kubelet is v1.30.1: over', remedy: 'upgrade' } as const;
    const inspected = withDrain(WELL, seen({ ended }));
    expect(inspected.verdict).toBe('warning');
    expect(inspected.findings.map(({ message, remedy }) => [message, remedy])).toEqual([
      ['its kubelet is v1.30.1: over', 'upgrade'],
      ['a drain of w-1 would move 3 pods', null],
    ]);
  });

  it('reports an error for a node that is another machine, or that another reboot owner reboots', () => {
    const wrong = withDrain(WELL, { ok: false, error: { type: 'WrongNode', message: 'x is another machine' } });
    expect(wrong).toMatchObject({ verdict: 'error', findings: [{ check: 'drain' }] });
    const kured = withDrain(WELL, { ok: false, error: { type: 'Policy', message: 'kured.' } });
    expect(kured).toMatchObject({ verdict: 'error', findings: [{ check: 'reboot-owners' }] });
  });

  it('finds stale cordons with their remedy, but not those of nodes in progress or of other clusters', () => {
    const staleCordons = [
      { nodeName: 'ip-10-0-0-1', owner: OWNER },
      { nodeName: 'w-2', owner: { ...OWNER, node: 'w-2' } },
      { nodeName: 'w-3', owner: { ...OWNER, node: 'w-3', cluster: 'test' } },
    ];
    const findings = kubernetesFindings('prod', { staleCordons, error: null }, new Set(['w-2']));
    expect(findings).toEqual([
      {
        severity: 'warning',
        check: 'drain',
        message:
          'w-1 (ip-10-0-0-1 in Kubernetes) is still cordoned by run 7, which did not uncordon it; no pod is scheduled there',
        remedy: 'ospatch uncordon prod w-1',
      },
    ]);
  });

  it('reports what would fail every node patch once', () => {
    const error = { type: 'Policy', message: 'kured is there', remedy: 'remove it' } as const;
    expect(kubernetesFindings('prod', { staleCordons: [], error }, new Set())).toEqual([
      { severity: 'error', check: 'reboot-owners', message: 'kured is there', remedy: 'remove it' },
    ]);
  });
});
