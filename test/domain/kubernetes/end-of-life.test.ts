import { kubeletEndOfLife } from '../../../src/domain/kubernetes/end-of-life';

const on = (version: string, day: string) => kubeletEndOfLife(version, Date.parse(`${day}T12:00:00Z`));

describe('src/domain/kubernetes/end-of-life', () => {
  it.each(['v1.33.4', 'v1.33.4+k3s1', 'v1.33.4+rke2r2'])('%s has ended after the last day of 1.33', (version) => {
    expect(on(version, '2026-06-28')).toBeNull();
    expect(on(version, '2026-06-29')).toMatchObject({
      kind: 'end-of-life',
      message: `its kubelet is ${version}: Kubernetes 1.33 reached its end of life on 2026-06-28 and gets no more fixes, whatever is patched on the node`,
    });
  });

  it('reports only that a version older than the list has ended', () => {
    expect(on('v1.19.16', '2026-11-26')?.message).toContain('1.19 reached its end of life before 2024-02-28');
  });

  it.each(['v1.35.1', 'v1.99.0', 'v1.31.2-eks-94953ac', 'v1.27.16+1d1b7f5', 'v1.30.5-gke.1014001', ''])(
    'reports nothing for "%s", which is current or supported by somebody else',
    (version) => {
      expect(on(version, '2026-11-26')).toBeNull();
    },
  );
});
