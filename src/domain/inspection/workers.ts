/** Diagnoses the workers of a task queue from Temporal's list of pollers and from the answers to probes. */
import type { Finding } from './finding';
import { ok, problem, warning } from './finding';
import { plainText, withoutFullStop } from '../shared/text';
import { isKeyMissing } from '../shared/unreadable';
import type { Where } from './where';
import { whereFlags } from './where';

/** A version of a Worker Deployment. */
export interface WorkerVersion {
  deployment: string;
  buildId: string;
}

export interface Poller {
  identity: string;
  /** Null: the worker is not versioned. */
  version: WorkerVersion | null;
}

/** The workers of a task queue, as reported by Temporal. */
export interface QueueSeen {
  pollers: readonly Poller[];
  /** The versions that receive new work: the current one and a ramping one. Null: unversioned workers. */
  receivers: readonly (WorkerVersion | null)[];
}

/** Why polling workers receive no work. */
export interface Idle {
  message: string;
  remedy: string;
}

/** Result of a probe. `key`: the encryption key of the answer; null: not encrypted. */
export type WorkerAnswer =
  | { kind: 'done'; identity: string; key: string | null }
  /** `message`: null when it cannot be decoded here. */
  | { kind: 'failed'; identity: string; key: string | null; message: string | null }
  /** `identity`: the worker that started the probe; null: none did. */
  | { kind: 'none'; identity: string | null };

export const SAME_KEYS =
  'give workers and commands the same keys (OSPATCH_ENCRYPTION_KEYS, docs/operations.md#encryption), then restart the workers';

const MAX_NAMED = 3;

/** The workers that receive new work. */
export function atWork<P extends Poller>({
  pollers,
  receivers,
}: Pick<QueueSeen, 'receivers'> & { pollers: readonly P[] }): P[] {
  return pollers.filter(({ version }) => receivers.some((one) => isSameVersion(one, version)));
}

/**
 * Null when a worker receives work, or none polls. `release`: the version of this package, which is preferred in the remedy
 * when workers have several versions.
 */
export function explainIdle(seen: QueueSeen, taskQueue: string, where: Where, release: string): Idle | null {
  const { pollers, receivers } = seen;
  if (pollers.length === 0 || atWork(seen).length > 0) return null;
  const [current = null] = receivers;
  const versions = versionsOf(pollers);
  const next = versions.find(({ buildId }) => buildId.startsWith(`${release}-`)) ?? versions.at(-1);
  const workers = `${count(pollers.length, 'worker')} ${pollers.length === 1 ? 'polls' : 'poll'} the task queue ${taskQueue}`;
  const gets = pollers.length === 1 ? 'gets' : 'get';
  if (next === undefined) {
    const deployment = current?.deployment ?? '';
    return {
      message: `${workers} without a version and ${gets} no work: version ${nameOf(current)} is current`,
      remedy: `start workers with OSPATCH_WORKER_DEPLOYMENT=${deployment}, or switch versions off: temporal worker deployment set-current-version --deployment-name ${deployment} --unversioned${whereFlags(where)}`,
    };
  }
  const which = versions.map(nameOf).slice(0, MAX_NAMED).join(', ');
  const instead = current === null ? 'no version is current' : `version ${nameOf(current)} is current`;
  return {
    message: `${workers} with the version${versions.length === 1 ? '' : 's'} ${which} and ${gets} no work: ${instead}`,
    remedy: setCurrent(next, where),
  };
}

/** Reports workers without new work beside workers with it. */
export function diagnoseVersions(seen: QueueSeen, where: Where): Finding[] {
  if (atWork(seen).length === 0) return [];
  const { pollers, receivers } = seen;
  const [current = null] = receivers;
  const isIdle = (version: WorkerVersion | null): boolean => !receivers.some((one) => isSameVersion(one, version));
  const instead = current === null ? 'workers without a version' : `version ${nameOf(current)}`;
  const getNone = (of: WorkerVersion | null, which: string): string => {
    const polling = pollers.filter(({ version }) => isSameVersion(version, of)).length;
    return `${count(polling, 'worker')} ${which} ${polling === 1 ? 'gets' : 'get'} no new work, which goes to ${instead}`;
  };
  const found = versionsOf(pollers)
    .filter(isIdle)
    .map((version) =>
      warning(
        'worker',
        getNone(version, `of version ${nameOf(version)}`),
        `to use a new version: ${setCurrent(version, where)}; stop the workers of an old one when \`temporal worker deployment describe --name ${version.deployment}\` shows the version as drained`,
      ),
    );
  if (current === null || !isIdle(null) || !pollers.some(({ version }) => version === null)) return found;
  const remedy = `stop the workers, or start them with OSPATCH_WORKER_DEPLOYMENT=${current.deployment}`;
  return [...found, warning('worker', getNone(null, 'without a version'), remedy)];
}

/**
 * Diagnoses encryption keys and code from the answers to probes. `keys`: those of this command, the first one encrypts;
 * empty: none.
 */
export function diagnoseAnswers(
  answers: readonly WorkerAnswer[],
  keys: readonly string[],
  taskQueue: string,
): Finding[] {
  const found = new Map<string, { workers: Set<string>; finding: (workers: string) => Finding }>();
  for (const answer of answers) {
    const finding = findingOf(answer, keys, taskQueue);
    if (finding === null) continue;
    const of = found.get(finding('').message) ?? { workers: new Set<string>(), finding };
    of.workers.add(answer.identity ?? '');
    found.set(finding('').message, of);
  }
  if (found.size > 0) return [...found.values()].map(({ workers, finding }) => finding(nameWorkers([...workers])));
  const [own] = keys;
  return own === undefined || answers.length === 0
    ? []
    : [ok('worker', `the workers and this command can read what the other encrypts (key ${own})`)];
}

/** Null: no problem. */
function findingOf(
  answer: WorkerAnswer,
  keys: readonly string[],
  taskQueue: string,
): ((workers: string) => Finding) | null {
  const [own] = keys;
  const ours = own === undefined ? 'this command encrypts nothing' : `this command encrypts with the key ${own}`;
  if (answer.kind === 'none') {
    const message =
      answer.identity === null
        ? `no worker of the task queue ${taskQueue} begins a task, although workers polled the queue within the last 90 s`
        : `does not complete a task that asks for nothing`;
    const remedy = 'check that `ospatch worker` runs and is not overloaded, and see its log';
    return (workers) => problem('worker', answer.identity === null ? message : `${workers} ${message}`, remedy);
  }
  const { key } = answer;
  const isForeign = key !== null && !keys.includes(key);
  const theirs = key === null ? '' : ` and encrypts with the key ${key}`;
  if (answer.kind === 'done') {
    if (!isForeign) return null;
    const remedy =
      own === undefined
        ? 'set OSPATCH_ENCRYPTION_KEYS to the directory with the keys that the workers use (docs/operations.md#encryption)'
        : 'add that key to the directory that OSPATCH_ENCRYPTION_KEYS names here (docs/operations.md#encryption)';
    const unread = `answers with the key ${key}, which this command does not have`;
    return (workers) => problem('worker', `${workers} ${unread}; ${ours}`, remedy);
  }
  const { message } = answer;
  const lacksKey = message === null ? isForeign : isKeyMissing(message);
  if (lacksKey && own !== undefined) {
    return (workers) => problem('worker', `${ours}, and ${workers} does not have that key${theirs}`, SAME_KEYS);
  }
  if (own === undefined && isForeign) {
    const remedy =
      'set OSPATCH_ENCRYPTION_KEYS to the directory with the keys that the workers use (docs/operations.md#encryption)';
    return (workers) =>
      problem(
        'worker',
        `${workers} encrypts with the key ${key} and fails in what this command asks for; ${ours}`,
        remedy,
      );
  }
  const why = message === null ? `the failure is encrypted with the key ${key ?? ''}` : plainText(message, 300);
  return (workers) =>
    problem(
      'worker',
      `${workers} fails in what this command asks for: ${withoutFullStop(why)}`,
      'run the workers and this command at the same version',
    );
}

/** The subject of a sentence, in the singular. */
function nameWorkers(identities: string[]): string {
  const named = identities
    .sort()
    .slice(0, MAX_NAMED)
    .map((one) => plainText(one, 100));
  const more = identities.length - named.length;
  return identities.length === 1
    ? `the worker ${named.join('')}`
    : `each of the workers ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function setCurrent({ deployment, buildId }: WorkerVersion, where: Where): string {
  return `temporal worker deployment set-current-version --deployment-name ${deployment} --build-id ${buildId}${whereFlags(where)}`;
}

/** Distinct versions, sorted by name. */
function versionsOf(pollers: readonly Poller[]): WorkerVersion[] {
  const versions = new Map(pollers.flatMap(({ version }) => (version === null ? [] : [[nameOf(version), version]])));
  return [...versions.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

export function isSameVersion(a: WorkerVersion | null, b: WorkerVersion | null): boolean {
  return a === null || b === null ? a === b : a.deployment === b.deployment && a.buildId === b.buildId;
}

function nameOf(version: WorkerVersion | null): string {
  return version === null ? '' : plainText(`${version.buildId} of the deployment ${version.deployment}`, 200);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
