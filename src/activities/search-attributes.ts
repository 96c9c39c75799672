/** The search attributes that clusters may write: read once per worker process, not once per cluster. */
import { getClient } from '@temporalio/activity';
import { registeredSearchAttributes } from '../contract/registered-attributes';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';

/** Far below the timeout of a local activity: one request, for which clusters wait. */
const DEADLINE_MS = 3_000;

/** How long a result is cached; attributes registered later are picked up afterwards. */
const ANSWER_COUNTS_MS = 3_600_000;

/** The same while some attributes are missing, or after a failure. */
const READ_AGAIN_MS = 60_000;

interface Answer {
  names: Promise<string[]>;
  /** Epoch milliseconds; end of the cached result. */
  until: number;
}

/**
 * Names of ospatch's search attributes that are registered with the expected type: a value of another type would block
 * the workflow that writes it. Never throws: attributes of unknown state are omitted.
 *
 * @param ask returns names and types of registered attributes, see `registeredSearchAttributes`
 */
export function rememberSearchAttributes(
  ask: () => Promise<Record<string, string>> = queryServer,
  now: () => number = Date.now,
): () => Promise<string[]> {
  let answer: Answer | null = null;
  return () => {
    if (answer === null || answer.until <= now()) {
      // Concurrent callers share the pending request.
      const asked: Answer = { names: Promise.resolve([]), until: Number.POSITIVE_INFINITY };
      asked.names = inTime(ask()).then(
        (registered) => {
          const names = wantedIn(registered);
          asked.until = now() + (names.length === WANTED.length ? ANSWER_COUNTS_MS : READ_AGAIN_MS);
          return names;
        },
        () => {
          asked.until = now() + READ_AGAIN_MS;
          return [];
        },
      );
      answer = asked;
    }
    return answer.names;
  };
}

/** Enforces the deadline even if the connection does not. */
function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const WANTED = Object.values(SEARCH_ATTRIBUTES);

function wantedIn(registered: Record<string, string>): string[] {
  return WANTED.filter(({ name, type }) => sameType(registered[name] ?? '', type)).map(({ name }) => name);
}

/** Compares the type names of the `temporal` CLI and the SDK: `KeywordList` and `KEYWORD_LIST`. */
function sameType(word: string, type: string): boolean {
  return word.toLowerCase() === type.replace('_', '').toLowerCase();
}

function queryServer(): Promise<Record<string, string>> {
  const client = getClient();
  const { namespace } = client.options;
  return client.withDeadline(Date.now() + DEADLINE_MS, () =>
    registeredSearchAttributes(
      { workflowService: client.workflowService, operatorService: client.connection.operatorService },
      namespace,
      WANTED.map(({ name }) => name),
    ),
  );
}
