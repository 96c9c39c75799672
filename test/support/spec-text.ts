/** Spec files for nodes of the lab. */

interface SpecTextOptions {
  name: string;
  /** YAML flow text. */
  patching: string;
  /** Default: ospatch. */
  user?: string;
  identity: string;
  /** More fields of the section `ssh`, as YAML flow text. */
  ssh?: string;
  /** The section `kubernetes`, as YAML flow text. */
  kubernetes?: string;
  /** Node names in Kubernetes that differ from the spec. */
  names?: Record<string, string>;
  nodes: { name: string; host: string; port: number }[];
}

/** Text of a spec file, with host keys in `known_hosts` beside the file. Nodes named `cp...` are the control plane. */
export function specText({ name, patching, user, identity, ssh, kubernetes, names, nodes }: SpecTextOptions): string {
  const lines = nodes.map((node) => {
    const role = node.name.startsWith('cp') ? 'control-plane' : 'worker';
    const other = names?.[node.name];
    const known = other === undefined ? '' : `, kubernetesName: ${other}`;
    return `  - {name: ${node.name}, host: ${node.host}, role: ${role}${known}, ssh: {port: ${node.port}}}`;
  });
  const more = ssh === undefined ? '' : `, ${ssh}`;
  return [
    'apiVersion: ospatch/v1',
    `name: ${name}`,
    `patching: ${patching}`,
    `ssh: {user: ${user ?? 'ospatch'}, identity: ${identity}, knownHosts: known_hosts${more}}`,
    ...(kubernetes === undefined ? [] : [`kubernetes: ${kubernetes}`]),
    'nodes:',
    ...lines,
    '',
  ].join('\n');
}
