import { isNewest, newestReleaseParameter } from '../../../src/domain/eks/releases';

describe('src/domain/eks/releases', () => {
  it.each([
    ['AL2_x86_64', '/aws/service/eks/optimized-ami/1.31/amazon-linux-2/recommended/release_version'],
    ['AL2_ARM_64', '/aws/service/eks/optimized-ami/1.31/amazon-linux-2-arm64/recommended/release_version'],
    [
      'AL2023_ARM_64_STANDARD',
      '/aws/service/eks/optimized-ami/1.31/amazon-linux-2023/arm64/standard/recommended/release_version',
    ],
    ['BOTTLEROCKET_x86_64', '/aws/service/bottlerocket/aws-k8s-1.31/x86_64/latest/image_version'],
    ['BOTTLEROCKET_ARM_64_NVIDIA', '/aws/service/bottlerocket/aws-k8s-1.31-nvidia/arm64/latest/image_version'],
    ['WINDOWS_CORE_2022_x86_64', null],
    ['CUSTOM', null],
    ['constructor', null],
  ])('knows the parameter with the newest release of %s', (amiType, expected) => {
    expect(newestReleaseParameter(amiType, '1.31')).toBe(expected);
  });

  it('reads no parameter for an invalid version', () => {
    expect(newestReleaseParameter('AL2_x86_64', '../x')).toBeNull();
  });

  it.each([
    ['1.31.4-20250203', '1.31.4-20250203', true],
    ['1.31.3-20250103', '1.31.4-20250203', false],
    ['1.31.4-20250203', '1.31.3-20250103', true],
    ['1.31.4-20250203', '1.31.5-20250203', false],
    ['1.26.1-943d9a41', '1.26.2-360b7a38', false],
    ['1.26.1-943d9a41', '1.26.1-943d9a41', true],
  ])('of a group at %s with %s published reports %s', (running, newest, expected) => {
    expect(isNewest(running, newest)).toBe(expected);
  });
});
