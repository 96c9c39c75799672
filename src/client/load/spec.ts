import { join } from 'node:path';
import { parseKnownHosts } from '../../domain/trust/known-hosts';
import { KnownMachines, machinesOf } from '../../domain/node/machines';
import type { ClusterSpec } from '../../domain/spec/types';
import { renderPath, show, valueAt } from '../../domain/spec/issues';
import type { SpecIssue } from '../../domain/spec/issues';
import { parseSpec } from '../../domain/spec/parse';
import { specTooLarge } from '../../domain/spec/size';
import { timeIssues } from '../../domain/spec/time-checks';
import { storedBytes } from '../../encryption/compression';
import { parseDocuments } from './documents';
import type { SpecDocument } from './documents';
import { embedHostKeys, hostKeyIssues } from './host-keys';
import type { KnownHostsFile } from './host-keys';
import { readSources, readText, sourcesInCommand } from './sources';
import type { SourceFile } from './sources';

export interface LoadSpecsOptions {
  /** Epoch milliseconds. */
  now: number;
  /** Whether the cluster is new or gets another schedule; then a `once` in the past is an error. Default: true. */
  isNew?: boolean | ((name: string) => boolean | Promise<boolean>);
  /** Whether a node without a host key is an error. */
  requireHostKeys: boolean;
  /** Reads all of standard input; needed for the source `-`. */
  stdin?: () => Promise<string>;
  /** Base of relative paths. Default: the working directory of the process. */
  cwd?: string;
}

export interface SpecProblem {
  severity: 'error' | 'warning';
  /** As named by the user; `<stdin>` for standard input. */
  file: string;
  /** Starts at 1; null when the problem concerns the whole file. */
  line: number | null;
  column: number | null;
  /** `nodes[2].ssh.port`; empty when the problem concerns the whole document. */
  path: string;
  message: string;
  /** Only for a problem of the file as a whole. */
  remedy?: string;
}

export interface LoadedCluster {
  spec: ClusterSpec;
  file: string;
  /** Absolute path of the known_hosts file named in the spec, whether or not it exists. */
  knownHostsPath: string;
}

export interface LoadedSpecs {
  /** The specs without errors, host keys embedded. Use them only when `valid`. */
  specs: ClusterSpec[];
  /** The same, with their origin. */
  clusters: LoadedCluster[];
  /** In the order of the files. */
  problems: SpecProblem[];
  /** True when no problem is an error. */
  valid: boolean;
  /** The files read, as named by the user. */
  files: string[];
}

// A known_hosts file of a large site has some thousand lines.
const MAX_KNOWN_HOSTS_BYTES = 16 * 1_048_576;
const DEFAULT_KNOWN_HOSTS = 'known_hosts';
const NO_SPEC = 'write a spec into the file: docs/spec.md explains the fields, and examples/ has some';

/**
 * Reads and validates all specs of `source`: a file, a directory (its *.yaml and *.yml, sorted, not recursive), `-`, or several.
 * User errors are returned in `problems`, never thrown.
 */
export async function loadSpecs(source: string | readonly string[], options: LoadSpecsOptions): Promise<LoadedSpecs> {
  const problems: SpecProblem[] = [];
  const clusters: LoadedCluster[] = [];
  const seen: Seen = { names: new Map(), machines: new KnownMachines() };
  const sources = typeof source === 'string' ? [source] : source;
  const { files, failures } = await readSources(sources, options);
  problems.push(...failures.map(({ name, why, remedy }) => fileProblem(name, why, remedy)));
  for (const file of files) {
    const { documents, problems: yamlProblems } = parseDocuments(file.text);
    const found: SpecProblem[] = yamlProblems.map((problem) => ({ ...problem, file: file.name, path: '' }));
    if (documents.length === 0 && found.length === 0)
      found.push(fileProblem(file.name, 'holds no spec: every document in it is empty', NO_SPEC));
    for (const document of documents) {
      const loaded = await loadDocument(document, file, sources, options, seen);
      found.push(...loaded.problems);
      if (loaded.cluster !== null) clusters.push(loaded.cluster);
    }
    problems.push(...found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)));
  }
  const valid = !problems.some(({ severity }) => severity === 'error');
  return { specs: clusters.map(({ spec }) => spec), clusters, problems, valid, files: files.map(({ name }) => name) };
}

/** Names and addresses used by earlier documents. */
interface Seen {
  /** Cluster names with their positions. */
  names: Map<string, string>;
  /** The nodes by machine. */
  machines: KnownMachines;
}

async function loadDocument(
  document: SpecDocument,
  file: SourceFile,
  sources: readonly string[],
  options: LoadSpecsOptions,
  seen: Seen,
): Promise<{ problems: SpecProblem[]; cluster: LoadedCluster | null }> {
  const { value } = document;
  const { spec, issues } = parseSpec(value);
  const name = valueAt(value, ['name']);
  if (typeof name === 'string') {
    const place = document.locate(['name'], 'value');
    const first = seen.names.get(name);
    const message = `found ${show(name)}, already the name of the cluster at ${first}; allowed: each cluster once`;
    if (first !== undefined) issues.push({ severity: 'error', path: ['name'], at: 'value', message });
    else seen.names.set(name, `${file.name}:${place.line}`);
  }
  const hasSchedule = spec === null || 'patching' in spec;
  if (hasSchedule) issues.push(...timeIssues(value, { now: options.now, isNew: await isNew(name, options) }));
  const fileName = knownHostsName(value);
  const knownHosts = await readKnownHosts(fileName, file.directory, issues);
  const required = options.requireHostKeys && (spec === null || spec.type === 'self-managed');
  issues.push(...hostKeyIssues(value, knownHosts, { required, source: sourcesInCommand(sources) }));
  const complete = spec === null ? null : withHostKeys(spec, knownHosts);
  if (complete !== null) issues.push(...sizeIssues(complete), ...sharedMachineIssues(complete, seen.machines));
  const problems = issues.map(({ severity, path, at, message }) => {
    return { severity, file: file.name, ...document.locate(path, at), path: renderPath(path), message };
  });
  const isUsable = !document.isBroken && !issues.some(({ severity }) => severity === 'error');
  if (complete === null || !isUsable) return { problems, cluster: null };
  return {
    problems,
    cluster: { spec: complete, file: file.name, knownHostsPath: join(file.directory, fileName) },
  };
}

function sizeIssues(spec: ClusterSpec): SpecIssue[] {
  const message = specTooLarge(spec, storedBytes(spec));
  return message === null ? [] : [{ severity: 'error', path: ['nodes'], at: 'key', message }];
}

/** Reports nodes that are machines of earlier nodes. */
function sharedMachineIssues(spec: ClusterSpec, known: KnownMachines): SpecIssue[] {
  return machinesOf(spec, []).flatMap((one, index): SpecIssue[] => {
    // Files of templates share host keys; those are compared with what is applied.
    const machine = { ...one, hostKeys: [] };
    known.add(machine);
    const found = known.warningOf(machine);
    if (found === null) return [];
    const message = found.remedy === null ? found.message : `${found.message}; ${found.remedy}`;
    return [{ severity: 'warning', path: ['nodes', index, 'host'], at: 'value', message }];
  });
}

function withHostKeys(spec: ClusterSpec, { text }: KnownHostsFile): ClusterSpec {
  if (spec.type !== 'self-managed') return spec;
  const knownHosts = parseKnownHosts(text ?? '');
  return { ...spec, nodes: spec.nodes.map((node) => embedHostKeys(node, knownHosts)) };
}

async function isNew(name: unknown, { isNew: answer = true }: LoadSpecsOptions): Promise<boolean> {
  if (typeof answer === 'boolean') return answer;
  return typeof name === 'string' ? answer(name) : true;
}

function knownHostsName(value: unknown): string {
  const name = valueAt(value, ['ssh', 'knownHosts']);
  // A name that could escape the directory is rejected by the schema and must not be opened before.
  return typeof name === 'string' && /^(?!\.\.?$)[\w.][\w.@+-]{0,127}$/.test(name) ? name : DEFAULT_KNOWN_HOSTS;
}

async function readKnownHosts(name: string, directory: string, issues: SpecIssue[]): Promise<KnownHostsFile> {
  const read = await readText(join(directory, name), MAX_KNOWN_HOSTS_BYTES);
  if ('text' in read) return { name, text: read.text };
  if (read.code !== 'ENOENT') {
    const message = `found ${show(name)}, which ${read.why}; allowed: a readable known_hosts file beside the spec`;
    issues.push({ severity: 'error', path: ['ssh', 'knownHosts'], at: 'value', message });
  }
  return { name, text: null };
}

function fileProblem(file: string, message: string, remedy: string): SpecProblem {
  return { severity: 'error', file, line: null, column: null, path: '', message, remedy };
}
