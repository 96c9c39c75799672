/** The exporter: reads all clusters of a namespace again and again, and shows them as metrics. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectOptions, TemporalSession } from '../client/connection';
import { withAbortSignal } from '../abortable-calls';
import { connect } from '../client/connection';
import { isOspatchError } from '../domain/shared/errors';
import { plainText } from '../domain/shared/text';
import { packageVersion } from '../version';
import { MetricsPage } from './page';
import type { ListenAddress } from './endpoints';
import { serveEndpoints } from './endpoints';
import type { FleetReading } from './read-clusters';
import { ClusterReader } from './read-clusters';

export interface ExporterOptions {
  listen: ListenAddress;
  connection: ConnectOptions;
  /** Between two readings, in milliseconds. */
  intervalMs: number;
  log: ExporterLog;
}

export interface ExporterLog {
  info(message: string): void;
  warn(message: string): void;
}

export interface Exporter {
  url: string;
  close(): Promise<void>;
}

/** A reading of thousands of clusters takes seconds; one that does not end must not keep the next ones. */
const READ_WITHIN_MS = 30_000;

/**
 * Listens at once, also while Temporal cannot be reached.
 *
 * @throws OspatchError `Usage` when it cannot listen, or the settings of the connection cannot be used
 */
export async function startExporter(options: ExporterOptions): Promise<Exporter> {
  const page = new MetricsPage(packageVersion());
  const stop = new AbortController();
  let problem: string | null = 'Temporal has not been read yet';
  const endpoints = {
    metrics: () => page.render(Date.now()),
    notReady: () => (page.up ? null : (problem ?? 'Temporal cannot be reached')),
  };
  const server = await serveEndpoints(options.listen, endpoints, 'OSPATCH_EXPORTER_LISTEN or --listen');
  const loop = new ReadingLoop(options, page, stop.signal, (why) => {
    if (why !== null && why !== problem) options.log.warn(`Temporal cannot be read: ${why}`);
    if (why === null && problem !== null) options.log.info('all clusters are read from Temporal');
    problem = why;
  });
  try {
    // What no time mends is said at once.
    await loop.connect();
  } catch (error) {
    if (!isOspatchError(error) || error.type === 'Usage') {
      await server.close();
      throw error;
    }
    page.noteFailure();
  }
  const running = loop.run();
  return {
    url: server.url,
    close: async () => {
      stop.abort();
      await server.close();
      await running;
    },
  };
}

class ReadingLoop {
  private session: TemporalSession | null = null;
  private reader: ClusterReader | null = null;

  constructor(
    private readonly options: ExporterOptions,
    private readonly page: MetricsPage,
    private readonly stopped: AbortSignal,
    private readonly report: (problem: string | null) => void,
  ) {}

  async connect(): Promise<ClusterReader> {
    if (this.reader !== null) return this.reader;
    this.session = await connect(this.options.connection);
    this.reader = new ClusterReader(this.session);
    return this.reader;
  }

  async run(): Promise<void> {
    while (!this.stopped.aborted) {
      try {
        const reader = await this.connect();
        await this.page.update(await this.read(reader), Date.now());
        this.report(null);
        // In the background: what is found is part of the next reading.
        void reader.readDetails(Date.now()).then(
          () => undefined,
          () => undefined,
        );
      } catch (error) {
        this.page.noteFailure();
        this.report(whyOf(error));
      }
      await sleep(this.options.intervalMs, undefined, { signal: this.stopped }).catch(() => undefined);
    }
    await this.session?.client.connection.close();
  }

  private async read(reader: ClusterReader): Promise<FleetReading> {
    const { client } = this.session as TemporalSession;
    const limit = AbortSignal.any([this.stopped, AbortSignal.timeout(READ_WITHIN_MS)]);
    return withAbortSignal(client, limit, () => reader.read());
  }
}

function whyOf(error: unknown): string {
  return plainText(error instanceof Error ? error.message : String(error), 200);
}
