import { eksEndOfLife } from '../../../src/domain/eks/support';

const at = (day: string): number => Date.parse(`${day}T12:00:00Z`);
const AL2023 = 'AL2023_x86_64_STANDARD';

describe('src/domain/eks/support', () => {
  it.each([
    [AL2023, '1.34', '2026-11-26', null],
    ['BOTTLEROCKET_ARM_64', '1.99', '2035-01-01', null],
    ['CUSTOM', '', '2035-01-01', null],
    ['AL2_x86_64', '1.32', '2025-11-26', null],
    ['AL2_x86_64', '1.32', '2025-11-27', 'no Amazon Linux 2 images for EKS since 2025-11-26'],
    ['AL2_ARM_64', '1.29', '2026-06-01', 'no Amazon Linux 2 images for EKS since 2025-11-26'],
    [AL2023, '1.31', '2026-11-26', 'standard support of Kubernetes 1.31 on 2025-11-26; the extended one'],
    [AL2023, '1.31', '2026-11-27', 'ended all support of Kubernetes 1.31 on 2026-11-26'],
    [AL2023, '1.17', '2026-11-27', 'ended all support of Kubernetes 1.17 before 2024-09-01'],
  ])('%s of %s on %s: %p', (amiType, version, day, expected) => {
    const warning = eksEndOfLife({ amiType, version }, at(day));
    if (expected === null) expect(warning).toBeNull();
    else expect(warning).toMatchObject({ kind: 'end-of-life', message: expect.stringContaining(expected) as string });
  });
});
