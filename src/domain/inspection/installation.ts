/** Findings about Temporal and about a cluster as a whole. */
import { isPatchable } from '../cluster/state';
import type { Finding } from './finding';
import { ok, problem, warning } from './finding';
import { rejectionOf } from '../cluster/messages';
import type { ClusterSpec } from '../spec/types';
import type { StuckCluster } from './stuck';
import { SEARCH_ATTRIBUTE_TYPES } from '../shared/search-attributes';
import { isLoopback } from '../shared/loopback';
import { plainText } from '../shared/text';
import type { Where } from './where';
import { whereFlags } from './where';

/** What the list of clusters has for the installation. */
export interface ClustersSeen {
  stuck: readonly StuckCluster[];
  /** Sites without a worker, with the clusters that have nodes there. */
  idleSites: ReadonlyMap<string, readonly string[]>;
  /** Clusters that could not be inspected in time. */
  notLooked: number;
  total: number;
}

/** What the Temporal server reported. */
export interface ServerSeen extends Where {
  /** Empty when the server does not report one. */
  version: string;
}

/** The first version with update-with-start, which `apply` needs, enabled by default. */
const OLDEST_SERVER = [1, 26] as const;

export function diagnoseServer({ address, namespace, version }: ServerSeen): Finding {
  const text = version === '' ? '' : ` (server version ${plainText(version, 60)})`;
  if (isTooOld(version)) {
    const [major, minor] = OLDEST_SERVER;
    return problem(
      'temporal',
      `the Temporal server at ${address} is of version ${plainText(version, 60)}; ospatch needs ${major}.${minor} or later`,
      `upgrade the server; until then \`ospatch apply\` may be unable to create clusters`,
    );
  }
  return ok('temporal', `Temporal answers at ${address}${text}, namespace ${namespace}`);
}

/** What is said on the way to another machine can be read and changed there. */
export function diagnosePlainText({ address, hasTls }: { address: string; hasTls: boolean }): Finding[] {
  if (hasTls || isLoopback(address)) return [];
  return [
    warning(
      'temporal',
      `the connection to Temporal at ${address} has no TLS: whoever is on the way can read requests and make them`,
      'set TEMPORAL_TLS, or tls in the profile; see docs/security.md#temporal',
    ),
  ];
}

/** A missing or unparsable version, as with Temporal Cloud, counts as recent enough. */
function isTooOld(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  const [oldestMajor, oldestMinor] = OLDEST_SERVER;
  return Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
}

/** Maximum names in one sentence; the rest is counted. */
const MAX_STUCK_LISTED = 20;

/**
 * All stuck clusters of the namespace. They are errors when the installation is inspected; otherwise warnings, because
 * they are not the clusters in question, which have findings of their own. `asked`: the inspected clusters; null: the
 * installation.
 */
export function diagnoseStuck(
  { stuck, notLooked, total }: Omit<ClustersSeen, 'idleSites'>,
  asked: readonly string[] | null,
): Finding[] {
  const others = stuck.filter(({ cluster }) => asked?.includes(cluster) !== true);
  const finding = asked === null ? problem : warning;
  const found = others.slice(0, MAX_STUCK_LISTED).map(({ message, remedy }) => finding('cluster', message, remedy));
  if (others.length > MAX_STUCK_LISTED) {
    const more = `${others.length - MAX_STUCK_LISTED} more clusters are stuck`;
    found.push(finding('cluster', more, '`ospatch list` names all of them'));
  }
  if (notLooked > 0) {
    found.push(warning('cluster', `${notLooked} of ${total} clusters did not answer in time`, 'ospatch list'));
  }
  if (found.length > 0 || total === 0) return found;
  return [ok('cluster', `${total === 1 ? 'the cluster is' : `all ${total} clusters are`} running`)];
}

/**
 * `registered` are the search attributes of the namespace with their types; null when the server denies listing them.
 * Without them clusters cannot be found by state in the Temporal UI; everything else works.
 */
export function diagnoseSearchAttributes(registered: Readonly<Record<string, string>> | null, where: Where): Finding {
  if (registered === null) {
    const message = 'the server does not list its search attributes; only searches in the Temporal UI need them';
    return ok('search-attributes', message);
  }
  const wanted = Object.entries(SEARCH_ATTRIBUTE_TYPES);
  const missing = wanted.filter(([name]) => registered[name] === undefined);
  const other = wanted.filter(([name, type]) => registered[name] !== undefined && registered[name] !== type);
  if (missing.length + other.length === 0) {
    return ok('search-attributes', `the search attributes ${wanted.map(([name]) => name).join(', ')} are registered`);
  }
  const what = [
    ...missing.map(([name]) => `${name} is not registered`),
    ...other.map(([name, type]) => `${name} is of type ${registered[name] ?? ''} instead of ${type}`),
  ];
  const remove =
    other.length === 0
      ? ''
      : `temporal operator search-attribute remove${other.map(([name]) => ` --name ${name}`).join('')}${whereFlags(where)} --yes && `;
  const create = [...missing, ...other].map(([name, type]) => ` --name ${name} --type ${type}`).join('');
  return warning(
    'search-attributes',
    `clusters cannot be found by state in the Temporal UI: ${what.join(', ')}`,
    `${remove}temporal operator search-attribute create${create}${whereFlags(where)}`,
  );
}

export function diagnoseWorkers(count: number, taskQueue: string): Finding {
  if (count > 0) {
    return ok('worker', `${count} worker${count === 1 ? ' polls' : 's poll'} the task queue ${taskQueue}`);
  }
  return problem(
    'worker',
    `no worker polls the task queue ${taskQueue}, so nothing is patched and no node can be inspected`,
    'start one with `ospatch worker`',
  );
}

/** The workers of a site; its nodes wait for one. */
export function diagnoseSite(count: number, taskQueue: string): Finding {
  if (count > 0) return diagnoseWorkers(count, taskQueue);
  return problem(
    'worker',
    `no worker polls the task queue ${taskQueue}, so the nodes that name it wait for one`,
    `run \`ospatch worker --task-queue ${taskQueue}\` where they can be reached`,
  );
}

/** Names in one message. */
const MAX_NAMED = 5;

/** Sites that clusters need, without a worker. `asked`: as for {@link diagnoseStuck}; `taskQueue`: has a finding of its own. */
export function diagnoseIdleSites(
  idleSites: ClustersSeen['idleSites'],
  asked: readonly string[] | null,
  taskQueue: string,
): Finding[] {
  const finding = asked === null ? problem : warning;
  return [...idleSites].flatMap(([site, clusters]) => {
    const others = clusters.filter((cluster) => asked?.includes(cluster) !== true);
    if (others.length === 0 || site === taskQueue) return [];
    const more = others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more` : '';
    const message = `no worker polls the task queue ${site}, which nodes of ${others.slice(0, MAX_NAMED).join(', ')}${more} need`;
    return [finding('worker', message, `run \`ospatch worker --task-queue ${site}\` where they can be reached`)];
  });
}

/**
 * Workflows that were started before encryption was turned on. `plain`: workflow ids; `read`: how many starts were read, of
 * `open` workflows.
 */
export function diagnosePlainStarts({ plain, read, open }: { plain: string[]; read: number; open: number }): Finding[] {
  if (open === 0) return [];
  const left = read < open ? `; of ${open} open workflows, ${read} were looked at` : '';
  if (plain.length === 0) return [ok('cluster', `all open workflows of clusters were started encrypted${left}`)];
  const shown = plain.slice(0, MAX_NAMED).map((id) => plainText(id, 200));
  const more = plain.length > MAX_NAMED ? ` and ${plain.length - MAX_NAMED} more` : '';
  const were = plain.length === 1 ? 'was' : 'were';
  return [
    warning(
      'cluster',
      `${shown.join(', ')}${more} ${were} started without encryption, and would wait at workers that require encryption${left}`,
      'set OSPATCH_ENCRYPTION_REQUIRED for workers later: a cluster continues encrypted after its next run, and within seven days',
    ),
  ];
}

/** `next`: the next start, formatted; null when the schedule has no further start. */
export function diagnoseSchedule(spec: ClusterSpec, next: string | null): Finding[] {
  if (!isPatchable(spec)) return [ok('spec', rejectionOf(spec) ?? '')];
  if (spec.patching.schedule === undefined)
    return [ok('schedule', 'the cluster has no schedule and is patched on demand only')];
  if (next !== null) return [ok('schedule', `the next window is ${next}`)];
  return [
    warning('schedule', 'the schedule has no further start', 'correct patching.schedule, then run `ospatch next`'),
  ];
}

/** The state of the cluster in Temporal. */
export type ClusterSeen =
  | { applied: false }
  /** `changes`: number of fields that differ between the file and the spec in force. `paused`: since when, by whom. */
  | {
      applied: true;
      changes: number;
      paused: { at: string; by: string | null; reason: string | null } | null;
      /** Why windows and blackouts are not known; null: they are. */
      scheduleError: string | null;
    };

export function diagnoseCluster(name: string, seen: ClusterSeen, file: string | null): Finding[] {
  if (!seen.applied) {
    return [ok('cluster', `the spec is not applied yet; run \`ospatch apply -f ${file ?? 'FILE'}\``)];
  }
  const found: Finding[] = [];
  if (seen.paused !== null) {
    const { at, by, reason } = seen.paused;
    const who = by === null ? '' : ` by ${plainText(by, 100)}`;
    const why = reason === null ? '' : ` (${plainText(reason, 200)})`;
    found.push(
      warning(
        'cluster',
        `the cluster was paused${who} at ${at}${why}; no run starts until it is resumed`,
        `ospatch resume ${name}`,
      ),
    );
  }
  if (seen.scheduleError !== null) {
    const [message = '', remedy = null] = seen.scheduleError.split('; fix: ');
    found.push(problem('schedule', `no window begins: ${message}`, remedy));
  }
  if (seen.changes > 0) {
    const fields = `${seen.changes} field${seen.changes === 1 ? '' : 's'}`;
    found.push(
      warning(
        'cluster',
        `the spec in force differs from this one in ${fields}`,
        `run \`ospatch diff -f ${file ?? 'FILE'}\`, then apply the spec`,
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok('cluster', file === null ? 'the spec is applied' : 'the applied spec is the same')];
}
