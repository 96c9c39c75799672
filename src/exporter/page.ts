/** The page of metrics: written when something has been read, and sent as it is to whoever scrapes it. */
import { setImmediate } from 'node:timers/promises';
import type { FleetReading } from './read-clusters';
import type { ClusterSnapshot } from './cluster-series';
import { CLUSTER_FAMILIES, CORDONED, TIMED_FAMILIES, clusterSet } from './cluster-series';
import type { Family } from './exposition';
import { header, labels, sample } from './exposition';
import { prepare } from './gzip';
import { STEP_DURATION, StepDurations } from './step-durations';

const gauge = (name: string, help: string): Family => ({ name, type: 'gauge', help });

const UP = gauge('ospatch_up', 'Whether the last reading of Temporal succeeded.');
const LAST_SUCCESS = gauge(
  'ospatch_exporter_last_success_timestamp_seconds',
  'When all clusters were last read from Temporal.',
);
const BUILD = gauge('ospatch_build_info', 'Version of this process; always 1.');
const UNREADABLE = gauge(
  'ospatch_clusters_unreadable',
  'Clusters without series: their key is missing here, or a worker of an older release runs them.',
);
const SITE_WORKERS = gauge('ospatch_site_workers', 'Workers that poll the task queue.');

/** Clusters that are written before scrapes have their turn. */
const AT_A_TIME = 200;

interface Written {
  set: string;
  /** One text for each family. */
  samples: string[];
}

export class MetricsPage {
  private readonly written = new WeakMap<ClusterSnapshot, Written>();
  private readonly steps = new StepDurations();
  private reading: FleetReading | null = null;
  /** By name: texts of the families that do not change by themselves. */
  private series = new Map<string, Buffer>();
  private durations: Buffer = Buffer.from('');
  private lastSuccessMs = 0;
  private isUp = false;

  constructor(private readonly version: string) {}

  get hasData(): boolean {
    return this.reading !== null;
  }

  get up(): boolean {
    return this.isUp;
  }

  /** Temporal has not answered: what is known stays. */
  noteFailure(): void {
    this.isUp = false;
  }

  /** Takes in what was read at `nowMs`. Scrapes are answered meanwhile, with what was there before. */
  async update(reading: FleetReading, nowMs: number): Promise<void> {
    for (const { name, metrics } of [...reading.removed, ...reading.clusters])
      this.steps.note(lifeOf(name, metrics), metrics.steps ?? {});
    const shown = this.reading?.clusters ?? [];
    const { clusters } = reading;
    const isSame = clusters.length === shown.length && clusters.every((one, at) => one === shown[at]);
    if (!isSame) this.series = await this.writeAll(clusters);
    this.durations = sameOr(this.durations, block(STEP_DURATION, this.steps.render()));
    this.reading = reading;
    this.isUp = true;
    this.lastSuccessMs = nowMs;
  }

  private async writeAll(clusters: readonly ClusterSnapshot[]): Promise<Map<string, Buffer>> {
    const written: Written[] = [];
    for (const [at, cluster] of clusters.entries()) {
      written.push(this.write(cluster));
      if (at % AT_A_TIME === 0) await setImmediate();
    }
    const series = new Map<string, Buffer>();
    for (const [at, { family }] of CLUSTER_FAMILIES.entries()) {
      const samples = written.map((one) => one.samples[at] ?? '').join('');
      if (samples !== '') series.set(family.name, sameOr(this.series.get(family.name), header(family) + samples));
      await setImmediate();
    }
    // No scrape waits until the new ones are compressed.
    await prepare([...series.values()]);
    return series;
  }

  /** In pieces, which together are the page at `nowMs`. */
  render(nowMs: number): Buffer[] {
    const { reading } = this;
    const own = [
      block(UP, sample(UP.name, '', this.isUp ? 1 : 0)),
      block(
        LAST_SUCCESS,
        reading === null ? '' : sample(LAST_SUCCESS.name, '', Math.floor(this.lastSuccessMs / 1_000)),
      ),
      block(BUILD, sample(BUILD.name, labels('version', this.version), 1)),
    ];
    if (reading === null) return [Buffer.from(own.join(''))];
    const { unreadable, sites } = reading;
    own.push(
      block(UNREADABLE, sample(UNREADABLE.name, '', unreadable)),
      block(
        SITE_WORKERS,
        sites.map(({ site, workers }) => sample(SITE_WORKERS.name, labels('site', site), workers)).join(''),
      ),
      ...this.timed(reading, nowMs),
    );
    return [Buffer.from(own.join('')), ...this.series.values(), this.durations];
  }

  private timed({ clusters, cordoned }: FleetReading, nowMs: number): string[] {
    const now = Math.floor(nowMs / 1_000);
    const families = TIMED_FAMILIES.map(({ family, render }) =>
      block(family, clusters.map((cluster) => render(family.name, cluster, this.write(cluster).set, now)).join('')),
    );
    // A node that is in work again may have the cordon of an earlier patch.
    const since = new Map<string, number>();
    for (const { cluster, node, at } of cordoned) {
      const set = labels('cluster', cluster, 'node', node);
      since.set(set, Math.min(at, since.get(set) ?? Infinity));
    }
    const samples = [...since].map(([set, at]) => sample(CORDONED.name, set, Math.max(0, now - at)));
    return [...families, block(CORDONED, samples.join(''))];
  }

  private write(cluster: ClusterSnapshot): Written {
    const before = this.written.get(cluster);
    if (before !== undefined) return before;
    const set = clusterSet(cluster.name);
    const samples = CLUSTER_FAMILIES.map(({ family, render }) => render(family.name, cluster, set));
    const written = { set, samples };
    this.written.set(cluster, written);
    return written;
  }
}

/** A cluster that was removed and created again is another one. */
function lifeOf(name: string, { createdAt }: { createdAt: string }): string {
  return `${name} ${createdAt}`;
}

/** The piece that is compressed already, if it says the same. */
function sameOr(before: Buffer | undefined, text: string): Buffer {
  const now = Buffer.from(text);
  return before?.equals(now) === true ? before : now;
}

function block(family: Family, samples: string): string {
  return samples === '' ? '' : header(family) + samples;
}
