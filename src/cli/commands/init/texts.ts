/** The files that `ospatch init` writes, with comments for those who will edit them. */
import { isMap, isSeq, parseDocument } from 'yaml';
import type { InitAnswers, NodeAnswer } from './answers';

/** @returns YAML of a spec */
export function specText(answers: InitAnswers): string {
  const { cluster, nodes, jump, schedule, timeZone, reboot, identity, admin } = answers;
  const [first] = nodes;
  const user = first?.user ?? 'root';
  const when =
    schedule === null
      ? '  # No schedule: patched on demand only. For example: schedule: weekly\n'
      : `  schedule: ${schedule} # at local midnight; windows, cron and blackouts: docs/spec.md\n`;
  const helper =
    user === 'root'
      ? ''
      : admin === null
        ? '  helper: auto # the worker places its helper, for which the user needs full `sudo -n`; preinstalled needs a narrow rule only\n'
        : '  helper: preinstalled # with its sudo rule; after an upgrade of ospatch: ospatch init again, or ospatch helper install\n';
  const through =
    jump === null
      ? ''
      : `  jump: [{ host: ${quoted(jump.host)}, port: ${jump.port}, user: ${quoted(jump.user)}, identity: ${quoted(identity)} }]\n`;
  return `# Cluster ${cluster}. All fields: docs/spec.md, or ospatch explain --field spec
apiVersion: ospatch/v1
name: ${quoted(cluster)}
patching:
  patchOnBoot: true # a new node is brought to the latest patch version at once
  # true: a node is rebooted when an update requires it, and only then. false: never; such a node is shown as reboot-pending.
  rebootIfRequired: ${reboot}
  timeZone: ${quoted(timeZone)}
${when}ssh:
  user: ${quoted(user)}
  identity: ${quoted(identity)} # ${identity === 'agent' ? 'the ssh-agent of the worker' : 'a file in the key directory of the worker'}
${helper}${through}  knownHosts: known_hosts # the trusted host keys, beside this file
nodes:
${nodes.map((node) => nodeLine(node, user)).join('')}`;
}

function nodeLine({ name, host, port, user }: NodeAnswer, shared: string): string {
  const ssh = [...(port === 22 ? [] : [`port: ${port}`]), ...(user === shared ? [] : [`user: ${quoted(user)}`])];
  return `  - { name: ${quoted(name)}, host: ${quoted(host)}${ssh.length === 0 ? '' : `, ssh: { ${ssh.join(', ')} }`} }\n`;
}

/** A name that YAML could take for something else. */
function quoted(text: string): string {
  return /^[A-Za-z_][A-Za-z0-9_./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

/** A rule that allows exactly what the spec needs. */
function ruleText(answers: InitAnswers, taskQueue: string): string {
  const { cluster, nodes, jump, identity } = answers;
  const list = (values: readonly (string | number)[]): string =>
    `[${[...new Set(values)].map((value) => (typeof value === 'number' ? value : quoted(value))).join(', ')}]`;
  const through =
    jump === null
      ? ''
      : `    jumpHosts: [{ host: ${quoted(jump.host)}, ports: [${jump.port}], users: [${quoted(jump.user)}], identities: [${quoted(identity)}] }]\n`;
  return `  - name: ${quoted(cluster)}
    clusters: [${quoted(cluster)}]
    hosts: ${list(nodes.map(({ host }) => host))} # a network such as 10.0.0.0/16 is allowed too
    ports: ${list(nodes.map(({ port }) => port))}
    users: ${list(nodes.map(({ user }) => user))}
    identities: [${quoted(identity)}]
${through}    taskQueues: [${quoted(taskQueue)}]
`;
}

/** A policy with a rule for this cluster; the rest of an existing one stays, with its comments. Null: only a person can add to it. */
export function policyText(existing: string | null, answers: InitAnswers, taskQueue: string): string | null {
  const rule = ruleText(answers, taskQueue);
  if (existing === null) {
    return `# What this worker may be asked for: nothing that is not listed. docs/policy.md explains the fields;
# ospatch policy validate checks this file, ospatch policy explain says what it allows of a spec.
version: 1
rules:
${rule}`;
  }
  const document = parseDocument(existing);
  const rules: unknown = document.get('rules', true);
  if (document.errors.length > 0 || !isSeq(rules)) return null;
  const added: unknown = parseDocument(`rules:\n${rule}`).get('rules', true);
  const [entry] = isSeq(added) ? added.items : [];
  const same = rules.items.findIndex((item) => isMap(item) && item.get('name') === answers.cluster);
  if (same < 0) rules.items.push(entry);
  else rules.items[same] = entry;
  rules.flow = false;
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** Sets variables in a file of NAME=value lines; other lines stay, and a commented default is where its value goes. */
export function environmentText(existing: string | null, variables: Readonly<Record<string, string>>): string {
  const header = '# Settings of the worker and of the command line: NAME=value, for systemd and for shells.\n';
  const lines = (existing ?? header).replace(/\n$/, '').split('\n');
  for (const [name, value] of Object.entries(variables)) {
    const line = `${name}=${assigned(value)}`;
    const set = lines.findIndex((one) => one.startsWith(`${name}=`));
    const commented = lines.findIndex((one) => one.replace(/^#\s*/, '').startsWith(`${name}=`));
    const index = set >= 0 ? set : commented;
    if (index >= 0) lines[index] = line;
    else lines.push(line);
  }
  return `${lines.join('\n')}\n`;
}

/** Shells and systemd read the same quotes. */
function assigned(value: string): string {
  return /^[\w@%+=:,./-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
