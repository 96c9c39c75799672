/** The Helm chart, rendered by the real Helm. */
import path from 'node:path';
import { parseAllDocuments } from 'yaml';

import type { CommandResult } from '../../src/dev/host';
import { runProgram } from '../../src/dev/host';
import { findHelm } from '../../tools/helm';
import type { ContainerOptions } from './container';
import { kubeletVolume } from './container';

export const CHART = path.join(__dirname, '../../deploy/helm/ospatch');
export const RELEASE = 'ospatch';
export const NAMESPACE = 'patching';

/** A Helm that `go install` has built takes an old one for granted. */
export const KUBE_VERSION = '1.34.0';

/** The only field of the downward API that the chart asks for. */
const POD_UID = '5f6a0c0e-0000-4000-8000-000000000000';

export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: Record<string, unknown>;
  rules?: object[];
  data?: Record<string, string>;
}

export interface RenderedContainer {
  name: string;
  image: string;
  args: string[];
  env: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts: { name: string; mountPath: string }[];
}

export interface RenderedPod {
  volumes: {
    name: string;
    secret?: { secretName: string; defaultMode: number };
    configMap?: { name: string; defaultMode: number };
  }[];
  containers: RenderedContainer[];
  securityContext: { fsGroup: number; runAsUser: number };
  tolerations?: { key: string }[];
}

/** `values`: lines of `--set` or names of files. */
export async function helm(...args: string[]): Promise<CommandResult> {
  return runProgram(await findHelm(() => undefined), args);
}

/** Throws what Helm says. */
export async function render(...args: string[]): Promise<Rendered[]> {
  const { code, stdout, stderr } = await helm(
    'template',
    RELEASE,
    CHART,
    '--namespace',
    NAMESPACE,
    '--kube-version',
    KUBE_VERSION,
    ...args,
  );
  if (code !== 0) throw new Error(stderr);
  // As Kubernetes reads YAML: 0440 is octal.
  return parseAllDocuments(stdout, { version: '1.1' }).flatMap(
    (document) => (document.toJS() as Rendered | null) ?? [],
  );
}

export function podOf(objects: readonly Rendered[], name: string): RenderedPod {
  const found = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name);
  if (found === undefined) throw new Error(`there is no Deployment ${name}`);
  return (found.spec as { template: { spec: RenderedPod } }).template.spec;
}

/**
 * The first container of a pod as the kubelet would start it: its arguments, environment and volumes. `contents`: the files
 * of Secrets and ConfigMaps by their names.
 */
export function kubeletOptions(
  pod: RenderedPod,
  contents: Record<string, Record<string, string>>,
  directory: string,
): ContainerOptions {
  const [container] = pod.containers;
  if (container === undefined) throw new Error('the pod has no container');
  const { fsGroup } = pod.securityContext;
  const volumes: Record<string, string> = {};
  for (const { name, mountPath } of container.volumeMounts) {
    const { secret, configMap } = pod.volumes.find((one) => one.name === name) ?? {};
    const source = secret?.secretName ?? configMap?.name;
    if (source === undefined) continue;
    const files = contents[source];
    if (files === undefined) throw new Error(`nothing is known of ${source}`);
    const mode = secret?.defaultMode ?? configMap?.defaultMode ?? 0o644;
    volumes[mountPath] = kubeletVolume(directory, files, { mode, fsGroup });
  }
  const env = container.env.map(({ name, value, valueFrom }) => [
    name,
    valueFrom === undefined ? (value ?? '') : POD_UID,
  ]);
  return { args: container.args, env: Object.fromEntries(env) as Record<string, string>, volumes, fsGroup };
}
