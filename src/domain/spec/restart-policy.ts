/** Restarts of services that run outdated code. Part of the spec and of the input of every run. */
export const RESTART_MODES = ['never', 'listed', 'auto'] as const;
export type RestartMode = (typeof RESTART_MODES)[number];

/** More or longer globs are rejected, here and by the helper. */
export const MAX_UNIT_GLOBS = 100;
export const MAX_UNIT_GLOB_CHARS = 128;

/** Characters of unit names and the wildcards * and ?; nothing else that a shell could interpret. */
export const UNIT_GLOB_PATTERN = /^[A-Za-z0-9_*?][A-Za-z0-9_.:@*?-]{0,127}$/;

export interface RestartPolicy {
  /** `listed`: only services listed in `services`. `auto`: all that are safe to restart, plus those in `services`. */
  mode: RestartMode;
  /** Unit names, with or without `.service`, with * and ?. */
  services: string[];
  /** Never restarted; takes precedence over everything else. */
  ignore: string[];
  /** Outdated code that remains after the restarts counts as a reboot reason. */
  asReboot: boolean;
}

export const NO_RESTARTS: RestartPolicy = { mode: 'never', services: [], ignore: [], asReboot: false };

/** Units of container runtimes and Kubernetes agents: restarted only while the node is drained by ospatch. */
const RUNTIMES = /^(?:containerd|docker|crio|cri-o|kubelet|k3s|rke2|k0s|podman|snap\.microk8s)/;

/** Whether one of the services is a container runtime that the policy restarts. */
export function restartsRuntime(
  services: readonly string[],
  { mode, services: wanted, ignore }: RestartPolicy,
): boolean {
  if (mode === 'never') return false;
  return services.some(
    (name) => RUNTIMES.test(name) && !matchesAny(name, ignore) && (mode === 'auto' || matchesAny(name, wanted)),
  );
}

function matchesAny(name: string, globs: readonly string[]): boolean {
  return globs.some((glob) => {
    const pattern = glob.replace(/[.]/g, '\\.').replaceAll('*', '.*').replaceAll('?', '.');
    return new RegExp(`^${pattern}(?:\\.service)?$`).test(name);
  });
}
