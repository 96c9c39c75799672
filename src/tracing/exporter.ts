/** Sends spans to a collector, in batches and in the background. A collector that is away holds up nothing. */
import type { CallHttp } from '../http/call';
import { callHttp, serverOf } from '../http/call';
import { isHttpFailure } from '../http/failure';
import { MINUTE_MS } from '../domain/shared/time-units';
import { defined } from '../domain/shared/defined';
import { packageVersion } from '../version';
import { exportRequest } from './otlp';
import type { TraceSettings } from './settings';
import type { TraceSpan } from './spans';

/** So long a span waits for others. */
const FLUSH_MS = 5_000;
const MAX_BATCH = 512;
/** A collector may be away for some minutes of a busy run; what is more is dropped, oldest first. */
const MAX_QUEUED = 8_192;
/** At the end of the worker. */
const CLOSE_MS = 3_000;
const WARN_AGAIN_MS = 10 * MINUTE_MS;
/** Answers after which the same request may succeed, by the specification of OTLP. */
const TRANSIENT_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface TraceLog {
  warn(fields: object, message: string): void;
}

export class SpanExporter {
  private queue: TraceSpan[] = [];
  private timer: NodeJS.Timeout | null = null;
  private sending: Promise<void> = Promise.resolve();
  private dropped = 0;
  private droppedAndSaid = 0;
  private isAway = false;
  private warnedAt = -Infinity;

  constructor(
    private readonly settings: TraceSettings,
    private readonly log: TraceLog,
    private readonly call: CallHttp = callHttp,
  ) {}

  add(...spans: TraceSpan[]): void {
    this.queue.push(...spans);
    const excess = this.queue.length - MAX_QUEUED;
    if (excess > 0) this.drop(this.queue.splice(0, excess).length, 'more spans wait than are kept');
    this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Sends what waits. Never throws. */
  flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.sending = this.sending.then(() => this.sendAll());
    return this.sending;
  }

  /** Sends what waits, for a short time. */
  async close(): Promise<void> {
    const timeout = new Promise<void>((resolve) => {
      setTimeout(resolve, CLOSE_MS).unref();
    });
    await Promise.race([this.flush(), timeout]);
    if (this.timer !== null) clearTimeout(this.timer);
    this.sayWhatWasDropped();
  }

  private async sendAll(): Promise<void> {
    while (this.queue.length > 0) {
      const batch = this.queue.splice(0, MAX_BATCH);
      const problem = await this.send(batch);
      if (problem === null) {
        this.isAway = false;
        this.sayWhatWasDropped();
        continue;
      }
      if (!problem.isTransient) {
        this.drop(batch.length, problem.why);
        continue;
      }
      this.warn(problem.why);
      this.queue.unshift(...batch);
      this.timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
      return;
    }
  }

  private async send(batch: readonly TraceSpan[]): Promise<{ why: string; isTransient: boolean } | null> {
    const { url, headers, timeoutMs, ca, resource } = this.settings;
    try {
      const { status } = await this.call({
        ...{ method: 'POST', url, timeoutMs, onUnreadable: 'cut' },
        headers: { ...headers, 'content-type': 'application/json' },
        body: exportRequest(batch, resource, packageVersion()),
        ...defined({ tls: ca === null ? undefined : { ca } }),
      });
      if (status >= 200 && status < 300) return null;
      return { why: `${serverOf(new URL(url))} has answered ${status}`, isTransient: TRANSIENT_STATUS.has(status) };
    } catch (error) {
      if (isHttpFailure(error)) return { why: error.message, isTransient: error.isTransient };
      return { why: error instanceof Error ? error.message : String(error), isTransient: false };
    }
  }

  private drop(count: number, why: string): void {
    this.dropped += count;
    this.warn(why);
  }

  /** Once for as long as the collector takes nothing, and at most once in a while when that comes and goes. */
  private warn(why: string): void {
    const now = Date.now();
    const isSaid = this.isAway || now - this.warnedAt < WARN_AGAIN_MS;
    this.isAway = true;
    if (isSaid) return;
    this.warnedAt = now;
    this.droppedAndSaid = this.dropped;
    this.log.warn(
      { why, dropped: this.dropped, waiting: this.queue.length },
      'spans could not be sent to the collector',
    );
  }

  private sayWhatWasDropped(): void {
    if (this.dropped === this.droppedAndSaid) return;
    this.droppedAndSaid = this.dropped;
    this.log.warn({ dropped: this.dropped }, 'spans were dropped while the collector did not take them');
  }
}
