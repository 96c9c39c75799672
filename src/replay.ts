/** Replays recorded histories with the workflow code of this package, before it is deployed. Needs no server. */
import { Readable } from 'node:stream';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { ReplayResult } from '@temporalio/worker';
import type { temporal } from '@temporalio/proto';
import { acceptEmptyPayloads } from './empty-payloads';
import { keyRingFromEnv } from './encryption/key-ring';
import { plainText } from './domain/shared/text';
import { workflowCode } from './workflow-code';

type History = temporal.api.history.v1.IHistory;

export interface RecordedHistory {
  /** Display name: the workflow id, or the name of a file. */
  name: string;
  /** The recorded events; an error message when they cannot be read. */
  history: History | string;
}

export interface ReplayVerdict {
  name: string;
  workflowType: string;
  /** Null: this code replays the history. */
  failure: string | null;
}

export interface ReplayOptions {
  /** For the keys of encrypted histories, as for a worker. */
  env: Readonly<Record<string, string | undefined>>;
  /** Time limit per history, in milliseconds; default 1 minute. */
  limitMs?: number;
  /** Called when the SDK hangs: it then keeps the process from exiting. */
  onStuck?: () => void;
}

/** The SDK's native part may hang on an invalid history; valid ones replay much faster. */
const LIMIT_MS = 60_000;

const MAX_REASON = 500;

/** One verdict per history, in the order of the histories. @throws OspatchError `Usage` when the keys cannot be read */
export async function* replayHistories(
  histories: AsyncIterable<RecordedHistory>,
  { env, limitMs = LIMIT_MS, onStuck = () => undefined }: ReplayOptions,
): AsyncGenerator<ReplayVerdict> {
  Runtime.install({
    // Problems are reported in the verdicts.
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
  });
  const code = workflowCode(keyRingFromEnv(env), { anyNamespace: true });
  let replayer = new Replayer(code);
  try {
    for await (const { name, history } of histories) {
      const damage = typeof history === 'string' ? history : findDamage(history);
      if (typeof history === 'string' || damage !== null) {
        yield { name, workflowType: 'unknown', failure: damage };
        continue;
      }
      const { workflowId, workflowType } = startOf(history);
      const failure = await replayer.replay(workflowId, history, limitMs);
      if (replayer.isStuck) onStuck();
      if (replayer.isOver) replayer = new Replayer(code);
      yield { name, workflowType, failure };
    }
  } finally {
    await replayer.close();
  }
}

/** One replay worker of the SDK for all histories, because creating one takes longer than most replays. */
class Replayer {
  /** Whether the SDK hangs. */
  isOver = false;
  isStuck = false;
  private readonly queue = new Readable({ objectMode: true, read: () => undefined });
  private readonly results: AsyncIterator<ReplayResult>;

  constructor(code: ReturnType<typeof workflowCode>) {
    acceptEmptyPayloads();
    this.results = Worker.runReplayHistories(code, this.queue)[Symbol.asyncIterator]();
  }

  /** Why the code cannot replay the history; null when it can. */
  async replay(workflowId: string, history: History, limitMs: number): Promise<string | null> {
    this.queue.push({ workflowId, history });
    const result = this.results.next();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), limitMs);
    });
    try {
      const answer = await Promise.race([result, late]);
      if (answer === null) {
        this.isOver = true;
        this.isStuck = true;
        result.catch(() => undefined);
        return `the history could not be replayed within ${Math.round(limitMs / 1000)} s; it may be damaged`;
      }
      if (answer.done === true) throw new Error('the replay ended early');
      return answer.value.error === undefined ? null : inWords(answer.value.error);
    } catch (error) {
      this.isOver = true;
      return inWords(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    if (this.isOver) return;
    this.queue.push(null);
    await this.results.next().catch(() => undefined);
  }
}

function startOf({ events }: History): { workflowId: string; workflowType: string } {
  const start = events?.[0]?.workflowExecutionStartedEventAttributes;
  return { workflowId: start?.workflowId ?? 'unknown', workflowType: start?.workflowType?.name ?? 'unknown' };
}

/** Detects histories that would crash the SDK; null when the history is intact. */
function findDamage({ events }: History): string | null {
  const [first] = events ?? [];
  if (events === undefined || events === null || first === undefined) return 'the history has no events';
  const started = first.workflowExecutionStartedEventAttributes;
  if (!started) return 'the history does not begin with the start of a workflow';
  if ((started.originalExecutionRunId ?? '') === '' || (started.workflowId ?? '') === '') {
    return 'the start of the workflow in the history names no workflow and run';
  }
  const gap = events.findIndex((event, at) => Number(event.eventId) !== at + 1);
  return gap === -1 ? null : `event ${gap + 1} of the history is missing`;
}

/** Extracts the message from the debug output of the SDK's native part. */
function inWords({ message }: Error): string {
  const [, quoted] = /message: "((?:[^"\\]|\\.)*)"/.exec(message) ?? [];
  const said = (quoted ?? message).replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? ' ' : escaped));
  const [, difference] = /^\[TMPRL1100\] Nondeterminism error: (.*)$/.exec(said) ?? [];
  if (difference !== undefined) {
    return `this code does something else than was recorded: ${plainText(difference, MAX_REASON)}`;
  }
  const [, type] = /^Failed to initialize workflow of type '([^']*)': no such function/.exec(said) ?? [];
  if (type !== undefined) return `this code has no workflow of the type ${plainText(type, MAX_REASON)}`;
  return `this code fails: ${plainText(said, MAX_REASON)}`;
}
