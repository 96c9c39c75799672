/** What is done about services that run replaced code. Part of the spec, and of everything a run hands on to its nodes. */
export const RESTART_MODES = ['never', 'listed', 'auto'] as const;
export type RestartMode = (typeof RESTART_MODES)[number];

/** More or longer globs than these are refused, here and by the helper. */
export const MAX_UNIT_GLOBS = 100;
export const MAX_UNIT_GLOB_CHARS = 128;

/** Characters of unit names and the wildcards * and ?; nothing that means something else to any shell. */
export const UNIT_GLOB_PATTERN = /^[A-Za-z0-9_*?][A-Za-z0-9_.:@*?-]{0,127}$/;

export interface RestartPolicy {
  /** `listed`: only what `services` names. `auto`: what is safe to restart, and what `services` names beside that. */
  mode: RestartMode;
  /** Names of units, with or without `.service`, with * and ?. */
  services: string[];
  /** Never restarted; outranks everything. */
  ignore: string[];
  /** What still runs replaced code in the end counts as a reason to reboot. */
  asReboot: boolean;
}

export const NO_RESTARTS: RestartPolicy = { mode: 'never', services: [], ignore: [], asReboot: false };

/** Units of container runtimes and Kubernetes agents: restarted only while we hold the node drained. */
const RUNTIMES = /^(?:containerd|docker|crio|cri-o|kubelet|k3s|rke2|k0s|podman|snap\.microk8s)/;

/** True when one of the services is a container runtime that the policy wants restarted. */
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
