/** `enroll --replace`: a machine was rebuilt and has new host keys. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { hmacSha1 } from '../../../client/load/host-keys';
import { pinnedPlaces, replacePinnedKeys } from '../../../client/load/pinned-host-keys';
import { sourcesInCommand } from '../../../client/load/sources';
import type { LoadedCluster } from '../../../client/load/spec';
import { OspatchError } from '../../../domain/shared/errors';
import { mapConcurrently } from '../../../domain/shared/map-concurrently';
import { show } from '../../../domain/spec/issues';
import { hostKeysFor, knownHostsName } from '../../../domain/trust/known-hosts';
import { replaceHostKeys } from '../../../domain/trust/replace-known-hosts';
import { readPolicy } from '../../../policy/read-policy';
import { canAsk, confirm } from '../../io/confirm';
import type { CliContext } from '../../io/context';
import { readKnownHostsFile, replaceKeepingOld } from '../../io/known-hosts-file';
import { colors, print, printJson, printNote } from '../../io/output';
import { requireSpecs } from '../../options/spec-source';
import type { SpecSources } from '../../options/spec-source';
import { addressText, renderTrouble } from '../../render/enroll';
import { renderChanged } from '../../render/replace';
import type { ShownKey } from '../../render/replace';
import { defaultDirectory } from '../../../worker-directories';
import type { Admin } from '../init/answers';
import { publicKeyOf } from '../init/keys';
import { prepareAndReport } from '../init/prepare';
import type { ExpectedKeys, ExpectedOfMachine } from './expected';
import { expectedOf } from './expected';
import type { EnrolledMachine } from './machines';
import { enrolledMachines } from './machines';
import type { Aliases, Rescan } from './rescan';
import { describeKey, findAliases, rescan } from './rescan';
import type { TrustedAgain } from './trust-again';
import { trustAgain } from './trust-again';

const SCANS_AT_ONCE = 4;

export interface ReplaceOptions {
  /** Names of nodes, or hosts of jump hosts. */
  names: readonly string[];
  /** Null: a person compares. A text: the fingerprint of the one node. */
  expected: ExpectedKeys | string | null;
  isJson: boolean;
  /** The cluster in force is told. */
  apply: boolean;
  /** Who prepares the machines again; null: nobody. */
  admin: Admin | null;
}

/** A machine, and every file with keys of it. */
interface Place {
  machine: EnrolledMachine;
  clusters: LoadedCluster[];
  /** Absolute paths of known_hosts files: beside the specs, and of the policy. */
  knownHosts: string[];
}

interface Result {
  place: Place;
  found: Rescan;
}

/** Sets exit code 1 when a machine was not replaced. @throws OspatchError `Usage`, `InvalidSpec` */
export async function replaceKeys(
  context: CliContext,
  command: Command,
  source: SpecSources,
  options: ReplaceOptions,
): Promise<void> {
  const { names, expected, isJson } = options;
  const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
  const places = placesOf(clusters, names, policyKnownHosts(context), sourcesInCommand(source));
  if (expected === null && !canAsk(context)) throw nobodyToAsk(source, names);
  const results = await mapConcurrently(places, SCANS_AT_ONCE, async (place): Promise<Result> => {
    const { machine, knownHosts } = place;
    const text = await readKnownHostsFile(knownHosts[0] ?? '');
    return { place, found: await rescan(machine, text, wantedOf(expected, machine)) };
  });
  const saved = new Set<string>();
  const written: { file: string; node: string }[] = [];
  const done: Result[] = [];
  for (const result of results) {
    const files = await finish(context, result, options, { file: sourcesInCommand(source), saved });
    if (files === null) continue;
    done.push(result);
    written.push(...files.map((file) => ({ file, node: result.place.machine.name })));
  }
  const applied = options.apply && done.length > 0 ? await tellClusters(context, command, source, done) : [];
  if (options.admin !== null) await prepareAgain(context, source, done, options.admin, isJson);
  if (!isJson) printNext(context, source, options.admin === null ? done : [], applied);
  else printJson(context, { nodes: results.flatMap(toJson), written, applied });
}

function wantedOf(expected: ReplaceOptions['expected'], machine: EnrolledMachine): ExpectedOfMachine | null {
  if (expected === null) return null;
  return typeof expected === 'string' ? new Map([[expected, null]]) : expectedOf(expected, machine);
}

/** The files that were written; null when the machine is not trusted. */
async function finish(
  context: CliContext,
  { place, found }: Result,
  { expected, isJson }: ReplaceOptions,
  { file, saved }: { file: string; saved: Set<string> },
): Promise<string[] | null> {
  const { machine } = place;
  const say = (line: string): void => (isJson ? printNote : print)(context, line);
  if (found.state === 'known') {
    say(`${machine.name} still has its trusted host key${found.keys.length === 1 ? '' : 's'}, so nothing is replaced`);
    return [];
  }
  if (found.state !== 'changed') {
    reportTrouble(context, machine, found, file);
    context.setExitCode(1);
    return null;
  }
  const aliases = await aliasesOf(place, found);
  say(renderChanged({ ...aliases, ...shownOf(machine, found) }, colors(context)));
  const files = await filesOf(place, context);
  if (expected === null) {
    printNote(context, `compare with the console of ${machine.name}: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`);
    if (
      !(await confirm(context, `replace the trusted host keys of ${machine.name} in ${files.map(nameOf).join(', ')}?`))
    ) {
      printNote(context, 'nothing was written');
      context.setExitCode(1);
      return null;
    }
  }
  await writeAll(place, { after: found.after, alias: aliases.alias, saved }, context);
  for (const file of files) {
    say(`${file}: the host keys of ${machine.name} are replaced (before: ${path.basename(file)}.old)`);
  }
  return files;
}

function nameOf(file: string): string {
  return path.basename(file);
}

/** The policy of a worker on this machine may have keys that outrank those of the spec. */
function policyKnownHosts(context: CliContext): string[] {
  const policy = context.env['OSPATCH_POLICY'] ?? '';
  if (policy === '') return [];
  const file = path.resolve(context.cwd, policy);
  const named = readPolicy(file, []).loaded?.policy.knownHosts;
  return named === undefined ? [] : [path.join(path.dirname(file), named)];
}

function placesOf(
  clusters: readonly LoadedCluster[],
  names: readonly string[],
  policyFiles: readonly string[],
  file: string,
): Place[] {
  const places = new Map<string, Place>();
  const all: string[] = [];
  const seen = new Set<string>();
  for (const cluster of clusters) {
    if (cluster.spec.type !== 'self-managed') continue;
    for (const machine of enrolledMachines(cluster.spec.nodes)) {
      const called = [machine.name, machine.host, addressText(machine.host, machine.port)];
      all.push(machine.name.startsWith('jump host ') ? machine.host : machine.name);
      const name = names.find((one) => called.includes(one));
      if (name === undefined) continue;
      seen.add(name);
      const key = JSON.stringify([machine.host.toLowerCase(), machine.port]);
      const known = places.get(key) ?? { machine, clusters: [], knownHosts: [] };
      const hostKeys = [...new Set([...known.machine.hostKeys, ...machine.hostKeys])];
      places.set(key, {
        machine: { ...known.machine, hostKeys },
        clusters: [...new Set([...known.clusters, cluster])],
        knownHosts: [...new Set([...known.knownHosts, cluster.knownHostsPath, ...policyFiles])],
      });
    }
  }
  const unknown = names.filter((name) => !seen.has(name));
  if (unknown.length === 0) return [...places.values()];
  throw new OspatchError({
    type: 'Usage',
    message: `--replace: found ${unknown.map((name) => show(name)).join(', ')}; allowed: a node or the address of a jump host in ${file}`,
    remedy: `${file} has: ${[...new Set(all)].slice(0, 20).join(', ')}`,
  });
}

async function aliasesOf({ machine, knownHosts }: Place, found: Rescan & { state: 'changed' }): Promise<Aliases> {
  // Behind a jump host other names lead elsewhere.
  if (machine.behind !== null) return { alias: [], silent: [] };
  const { host, port } = machine;
  const each: Aliases[] = [];
  for (const file of knownHosts) each.push(await findAliases(await readKnownHostsFile(file), { host, port, ...found }));
  return {
    alias: [...new Set(each.flatMap(({ alias }) => alias))],
    silent: [...new Set(each.flatMap(({ silent }) => silent))],
  };
}

/** The spec files and known_hosts files with keys of the machine. */
async function filesOf(place: Place, context: CliContext): Promise<string[]> {
  const { machine, clusters, knownHosts } = place;
  const files = new Set<string>();
  for (const { file, spec } of clusters) {
    if (file === '<stdin>') continue;
    const full = path.resolve(context.cwd, file);
    const text = await readFile(full, 'utf8');
    if (pinnedPlaces(text, { cluster: spec.name, host: machine.host, port: machine.port }).length > 0) files.add(full);
  }
  for (const file of knownHosts) if (await hasKeys(file, machine)) files.add(file);
  return [...files];
}

async function hasKeys(file: string, { host, port }: EnrolledMachine): Promise<boolean> {
  return hostKeysFor(await readKnownHostsFile(file), host, port, hmacSha1).keys.length > 0;
}

/** The whole new content of every file is known before the first one is written. */
async function writeAll(
  { machine, clusters, knownHosts }: Place,
  { after, alias, saved }: { after: string[]; alias: string[]; saved: Set<string> },
  context: CliContext,
): Promise<void> {
  const { host, port } = machine;
  const specs = new Map<string, string>();
  for (const { file, spec } of clusters) {
    if (file === '<stdin>') continue;
    const full = path.resolve(context.cwd, file);
    const before = specs.get(full) ?? (await readFile(full, 'utf8'));
    const text = replacePinnedKeys(before, { cluster: spec.name, host, port, keys: after });
    if (text !== before) specs.set(full, text);
  }
  const trusted = new Map<string, string>();
  for (const file of knownHosts) {
    if (!(await hasKeys(file, machine))) continue;
    const names = [knownHostsName(host, port), ...alias];
    trusted.set(file, replaceHostKeys(await readKnownHostsFile(file), { names, keys: after }, hmacSha1));
  }
  for (const [file, text] of [...trusted, ...specs]) await replaceKeepingOld(file, text, saved);
}

function shownOf(
  { name, host, port }: EnrolledMachine,
  { before, after }: Rescan & { state: 'changed' },
): { name: string; address: string; before: ShownKey[]; after: ShownKey[] } {
  return { name, address: addressText(host, port), before: before.map(describeKey), after: after.map(describeKey) };
}

function reportTrouble(
  context: CliContext,
  { name, host, port }: EnrolledMachine,
  found: Rescan & { state: 'refused' | 'unreachable' },
  file: string,
): void {
  const color = colors(context, 'stderr');
  if (found.state === 'refused' && found.shown === null) {
    printNote(context, `${color.yellow('not replaced:')} ${name} ${found.why}`);
    return;
  }
  const shown = found.state === 'refused' && found.shown !== null ? found.shown : { type: '', fingerprint: '' };
  const asScanned = found.state === 'refused' ? { ...found, ...shown } : found;
  const node = { cluster: '', node: name, host, port, knownHostsPath: '', found: asScanned };
  for (const line of renderTrouble([node], color, file)) printNote(context, line);
}

async function tellClusters(
  context: CliContext,
  command: Command,
  source: SpecSources,
  done: readonly Result[],
): Promise<TrustedAgain[]> {
  const machines = done.map(({ place: { machine } }) => machine);
  const names = new Set(done.flatMap(({ place }) => place.clusters.map(({ spec }) => spec.name)));
  // With the keys that the files have now.
  const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
  const specs = clusters.flatMap(({ spec }) => (names.has(spec.name) && spec.type === 'self-managed' ? [spec] : []));
  return trustAgain(command, specs, machines);
}

/** The account, the key, the helper and the rule went with the old installation. */
async function prepareAgain(
  context: CliContext,
  source: SpecSources,
  done: readonly Result[],
  admin: Admin,
  isJson: boolean,
): Promise<void> {
  const keyDir = context.env['OSPATCH_KEY_DIR'] ?? defaultDirectory('keys', context.env);
  const { clusters } = await requireSpecs(context, source, { requireHostKeys: false, isNew: false });
  for (const { spec } of clusters) {
    if (spec.type !== 'self-managed') continue;
    const nodes = spec.nodes.filter(({ host, ssh }) =>
      done.some(({ place: { machine } }) => machine.host === host && machine.port === ssh.port),
    );
    for (const node of nodes) {
      const publicKey = await publicKeyOf(keyDir, node.ssh.identity);
      await prepareAndReport(context, { ...spec, nodes: [node] }, { admin, publicKey, keys: { keyDir }, isJson });
    }
  }
}

function printNext(
  context: CliContext,
  source: SpecSources,
  done: readonly Result[],
  applied: readonly TrustedAgain[],
): void {
  const file = sourcesInCommand(source);
  for (const { cluster, result, released, why } of applied) {
    const ended = released.length === 0 ? '' : `, and ${released.join(', ')} left quarantine`;
    if (result === 'updated') print(context, `${cluster}: the cluster trusts the new host keys${ended}`);
    if (result === 'failed') {
      printNote(
        context,
        `${colors(context, 'stderr').yellow('warning:')} ${cluster} still trusts the old host keys: ${why}`,
      );
      printNote(context, `  ${colors(context, 'stderr').bold('fix:')} ospatch apply -f ${file}`);
    }
  }
  const bare = done.flatMap(({ place, found }) =>
    found.state === 'changed' && place.clusters.some((one) => isPreinstalled(one, place.machine))
      ? [place.machine.name]
      : [],
  );
  if (bare.length === 0) return;
  const nodes = bare.map((name) => ` --node ${name}`).join('');
  print(context, 'a rebuilt node needs its helper and its sudo rule again, placed by --admin USER, or by:');
  print(context, `  ospatch helper install -f ${file}${nodes} --user root`);
  print(context, `  ospatch sudoers -f ${file}${nodes}`);
}

function isPreinstalled({ spec }: LoadedCluster, { name }: EnrolledMachine): boolean {
  return (
    spec.type === 'self-managed' && spec.nodes.some((node) => node.name === name && node.ssh.helper === 'preinstalled')
  );
}

function nobodyToAsk(source: SpecSources, names: readonly string[]): OspatchError {
  const replaced = names.map((name) => ` --replace ${name}`).join('');
  return new OspatchError({
    type: 'Usage',
    message: 'a changed host key has to be confirmed, and there is no terminal to confirm on',
    remedy: `read the fingerprint on the console of the node, then: ospatch enroll -f ${sourcesInCommand(source)}${replaced} --expect FINGERPRINT`,
  });
}

function toJson({ place: { machine, clusters }, found }: Result) {
  const { name: node, host, port } = machine;
  const before = found.state === 'changed' ? found.before : found.state === 'known' ? found.keys : [];
  const after = found.state === 'changed' ? found.after : found.state === 'known' ? found.keys : [];
  const why = 'why' in found ? found.why : null;
  return clusters.map(({ spec }) => ({
    cluster: spec.name,
    ...{ node, host, port, state: found.state, why },
    before: before.map(describeKey),
    after: after.map(describeKey),
  }));
}
