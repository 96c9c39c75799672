/** The search attributes that clusters may write: read once per worker process, not by each of its clusters. */
import { getClient } from '@temporalio/activity';
import { registeredSearchAttributes } from '../contract/registered-attributes';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';

/** Far below what a local activity may take: one question to the server, which clusters wait for. */
const DEADLINE_MS = 3_000;

/** How long an answer counts, so that attributes that are registered later are taken up. */
const ANSWER_COUNTS_MS = 3_600_000;

/** The same while some are missing, or when nothing answered. */
const READ_AGAIN_MS = 60_000;

interface Answer {
  names: Promise<string[]>;
  /** Epoch milliseconds; until then everybody gets the same answer. */
  until: number;
}

/**
 * Names of those search attributes of ospatch that are registered with the type that is written: a value of another type
 * would stop the workflow that writes it. Never fails: whatever is not known to be there is left out.
 *
 * @param ask names and types of what is registered, see `registeredSearchAttributes`
 */
export function rememberSearchAttributes(
  ask: () => Promise<Record<string, string>> = askServer,
  now: () => number = Date.now,
): () => Promise<string[]> {
  let answer: Answer | null = null;
  return () => {
    if (answer === null || answer.until <= now()) {
      // Whoever comes while the question is under way waits for the same answer.
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

/** Whatever the connection makes of its deadline. */
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

/** Of the `temporal` CLI and of the SDK: `KeywordList` and `KEYWORD_LIST`. */
function sameType(word: string, type: string): boolean {
  return word.toLowerCase() === type.replace('_', '').toLowerCase();
}

function askServer(): Promise<Record<string, string>> {
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
