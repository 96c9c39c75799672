/** Where AWS publishes the newest release of a node group's image, and whether the running release is the newest. */

/** By AMI type: the path segment between the Kubernetes version and `recommended`. */
const AMAZON_LINUX: Readonly<Record<string, string>> = {
  AL2_x86_64: 'amazon-linux-2',
  AL2_x86_64_GPU: 'amazon-linux-2-gpu',
  AL2_ARM_64: 'amazon-linux-2-arm64',
  AL2023_x86_64_STANDARD: 'amazon-linux-2023/x86_64/standard',
  AL2023_ARM_64_STANDARD: 'amazon-linux-2023/arm64/standard',
  AL2023_x86_64_NVIDIA: 'amazon-linux-2023/x86_64/nvidia',
  AL2023_ARM_64_NVIDIA: 'amazon-linux-2023/arm64/nvidia',
  AL2023_x86_64_NEURON: 'amazon-linux-2023/x86_64/neuron',
};

const BOTTLEROCKET = /^BOTTLEROCKET_(x86_64|ARM_64)(?:_(NVIDIA|FIPS))?$/;

/** The public SSM parameter that holds the newest release; null for images without one. */
export function newestReleaseParameter(amiType: string, version: string): string | null {
  if (!/^\d+\.\d+$/.test(version)) return null;
  const image = Object.hasOwn(AMAZON_LINUX, amiType) ? AMAZON_LINUX[amiType] : undefined;
  if (image !== undefined) return `/aws/service/eks/optimized-ami/${version}/${image}/recommended/release_version`;
  const [, machine, variant] = BOTTLEROCKET.exec(amiType) ?? [];
  if (machine === undefined) return null;
  const flavour = variant === undefined ? '' : `-${variant.toLowerCase()}`;
  const architecture = machine === 'ARM_64' ? 'arm64' : 'x86_64';
  return `/aws/service/bottlerocket/aws-k8s-${version}${flavour}/${architecture}/latest/image_version`;
}

/** Whether a group at `running` needs no update. The published release is at times older than that of new groups. */
export function isNewest(running: string, newest: string): boolean {
  if (running === newest) return true;
  const [there, published] = [dayOf(running), dayOf(newest)];
  return there !== null && published !== null && there > published;
}

/** Amazon Linux releases end in their build date: `1.31.3-20250103`. */
function dayOf(release: string): string | null {
  return /^\d+(?:\.\d+)*-(\d{8})$/.exec(release)?.[1] ?? null;
}
