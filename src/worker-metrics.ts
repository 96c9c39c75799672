/** Settings of a worker's metrics, and whether it can work. */
import type { NativeConnection, Worker } from '@temporalio/worker';
import type { ListenAddress } from './exporter/endpoints';
import { parseListenAddress } from './exporter/endpoints';

export const METRICS_SETTING = 'OSPATCH_METRICS or --metrics';

/** A server that is asked by everybody who looks is asked for all of them. */
const KNOWN_FOR_MS = 2_000;
const ANSWER_WITHIN_MS = 3_000;

/** Null: nowhere. @throws OspatchError `Usage` */
export function metricsAddressFromEnv(env: NodeJS.ProcessEnv): ListenAddress | null {
  const text = env['OSPATCH_METRICS'] ?? '';
  return text === '' ? null : parseListenAddress(text, 'OSPATCH_METRICS');
}

/** As Prometheus names things: counters with `_total`, durations in seconds. */
export function sdkMetrics(bindAddress: string) {
  return {
    prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
  };
}

export class Readiness {
  private worker: Worker | null = null;
  private connection: NativeConnection | null = null;
  private known: { at: number; problem: Promise<string | null> } | null = null;

  watch(worker: Worker, connection: NativeConnection): void {
    this.worker = worker;
    this.connection = connection;
  }

  /** Why the worker takes no tasks, in one clause; null: it does. */
  async problem(): Promise<string | null> {
    const state = this.worker?.getState() ?? 'INITIALIZED';
    if (state === 'INITIALIZED') return 'the worker is starting';
    if (state !== 'RUNNING') return 'the worker is shutting down';
    const now = performance.now();
    if (this.known === null || now - this.known.at > KNOWN_FOR_MS) this.known = { at: now, problem: this.reach() };
    return this.known.problem;
  }

  private async reach(): Promise<string | null> {
    const { connection } = this;
    if (connection === null) return 'the worker is starting';
    try {
      await connection.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => connection.workflowService.getSystemInfo({}));
      return null;
    } catch {
      return 'Temporal does not answer';
    }
  }
}
