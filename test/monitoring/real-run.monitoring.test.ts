/** A run on a real server, with simulated nodes, as Prometheus and a collector of OpenTelemetry see it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { runProgram } from '../../src/dev/host';
import { freePorts } from '../../src/dev/ports';
import type { Exporter } from '../../src/exporter/exporter';
import { startExporter } from '../../src/exporter/exporter';
import { SpanExporter } from '../../src/tracing/exporter';
import { traceSinks, tracingInterceptor } from '../../src/tracing/tracing';
import { cachedCollector, collectorConfig } from '../../tools/collector';
import type { Monitoring } from '../../tools/monitoring';
import { findMonitoring } from '../../tools/monitoring';
import { notifiedSignal } from '../../src/contract/messages';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import { Harness } from '../workflows/harness';
import { dashboardQueries } from './dashboard-queries';
import type { RunningProgram } from './programs';
import { startProgram } from './programs';
import { RULES, allRules } from './rules';

const SCHEDULE = [{ preset: 'weekly', startWithin: '1h' }] as const;

let harness: Harness;
let monitoring: Monitoring;
let dir = '';

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-monitoring-'));
  monitoring = await findMonitoring((line) => console.log(line));
  harness = await Harness.start('real');
});
afterAll(async () => {
  await harness.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Prometheus, which scrapes the exporter each second and has the rules of deploy/monitoring. */
class Prometheus {
  private constructor(
    private readonly url: string,
    private readonly program: RunningProgram,
  ) {}

  static async start(target: string): Promise<Prometheus> {
    const [port = 0] = await freePorts(1);
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [RULES],
      scrape_configs: [{ job_name: 'ospatch', static_configs: [{ targets: [target] }] }],
    };
    const file = path.join(dir, 'prometheus.yml');
    writeFileSync(file, stringify(config));
    const program = startProgram(monitoring.prometheus, [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(dir, 'tsdb')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ]);
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`, program);
    const isReady = async (): Promise<boolean> =>
      fetch(`${prometheus.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await waitFor(isReady, { what: 'Prometheus to be ready' });
    return prometheus;
  }

  async get<T>(what: string): Promise<T> {
    const answer = (await (await fetch(`${this.url}/api/v1/${what}`)).json()) as { status: string; data: T };
    if (answer.status !== 'success') throw new Error(`${what}: ${JSON.stringify(answer)}`);
    return answer.data;
  }

  async hasData(expr: string): Promise<boolean> {
    const { result } = await this.get<{ result: unknown[] }>(`query?query=${encodeURIComponent(expr)}`);
    return result.length > 0;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}

interface Seen {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
}

/** The spans that the collector has accepted. */
function spansOf(collector: RunningProgram): Seen[] {
  const batches = collector.stdout().split('\n').slice(0, -1);
  return batches.flatMap((line) => {
    const { resourceSpans } = JSON.parse(line) as { resourceSpans: { scopeSpans: { spans: Seen[] }[] }[] };
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  });
}

function exporterOf(taskQueue: string): Promise<Exporter> {
  return startExporter({
    listen: { host: '127.0.0.1', port: 0 },
    connection: { address: harness.address, taskQueue, signWith: '', deadlineMs: 5_000 },
    intervalMs: 500,
    log: { info: () => undefined, warn: () => undefined },
  });
}

describe('deploy/monitoring, with a real run', () => {
  it('has data for every query of the dashboard, rules without errors, and metrics that promtool accepts', () =>
    harness.withWorker(async (cluster) => {
      const exporter = await exporterOf(cluster.name);
      const prometheus = await Prometheus.start(new URL(exporter.url).host);
      let release = (): void => undefined;
      try {
        cluster.nodes.node('w-2').outdated = ['nginx'];
        cluster.nodes.node('w-1').requiresReboot = true;
        await cluster.apply(clusterSpec(undefined, { schedule: [...SCHEDULE] }, cluster.name));
        await cluster.handle.signal('patchNow');
        await cluster.untilIdle(1);
        release = cluster.nodes.hold('w-1', 'apply');
        cluster.nodes.node('w-1').pending = ['curl'];
        await cluster.handle.signal('patchNow');
        await cluster.untilPatching('w-1');

        const { createdAt } = await cluster.status();
        await cluster.handle.signal(notifiedSignal, { createdAt, target: 'ops', about: 'run 1', result: 'delivered' });
        const progress = { run: 2, workflowId: await cluster.runId(2), settled: [], gates: { pass: 1 } };
        await cluster.handle.signal('runProgress', progress);

        // Those of workers are compared with the page of a worker in test/workflows/exporter.test.ts.
        const ofExporters = dashboardQueries().filter(({ expr }) => !expr.includes('temporal_'));
        const missing = new Map(ofExporters.map(({ panel, expr }) => [expr, panel]));
        expect(missing.size).toBeGreaterThan(30);
        const ask = async (): Promise<boolean> => {
          for (const expr of missing.keys()) if (await prometheus.hasData(expr)) missing.delete(expr);
          return missing.size === 0;
        };
        await waitFor(ask, { what: 'data', timeoutMs: 60_000, pollMs: 1_000 }).catch(() => undefined);
        expect([...missing]).toEqual([]);

        // Those that record are evaluated each minute, so all are asked for here.
        for (const { expr } of allRules()) await prometheus.hasData(expr);
        const loaded = await prometheus.get<{ groups: { rules: { lastError?: string }[] }[] }>('rules');
        const rules = loaded.groups.flatMap((group) => group.rules);
        expect(rules).toHaveLength(allRules().length);
        expect(rules.flatMap(({ lastError }) => lastError ?? [])).toEqual([]);
        release();
        await cluster.untilIdle(2);

        const page = await (await fetch(`${exporter.url}/metrics`)).text();
        const checked = await runProgram(monitoring.promtool, ['check', 'metrics'], { input: page });
        expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
      } finally {
        // A step that is held would keep the worker from ending.
        release();
        await prometheus.stop();
        await exporter.close();
      }
    }));

  const program = cachedCollector();
  (program === undefined ? it.skip : it)(
    `has a trace of run, nodes, steps and attempts in a real collector${program === undefined ? ' (skipped: `scripts/setup.sh collector` has not built it)' : ''}`,
    async () => {
      const [port = 0] = await freePorts(1);
      const config = path.join(dir, 'collector.yml');
      writeFileSync(config, stringify(collectorConfig(`127.0.0.1:${port}`)));
      const collector = startProgram(program ?? '', [`--config=file:${config}`]);
      const warnings: object[] = [];
      const settings = {
        ...{ url: `http://127.0.0.1:${port}/v1/traces`, headers: {}, timeoutMs: 5_000, ca: null },
        resource: { 'service.name': 'ospatch-worker' },
      };
      const spans = new SpanExporter(settings, { warn: (fields) => warnings.push(fields) });
      const cluster = harness.newCluster();
      const worker = { interceptors: { activity: [tracingInterceptor(spans)] }, sinks: traceSinks(spans) };
      try {
        await waitFor(() => /Everything is ready/.test(collector.stderr()), { what: 'the collector to be ready' });
        await harness.withWorkerFor(
          cluster,
          async () => {
            await cluster.apply(clusterSpec(['w-1', 'w-2'], {}, cluster.name));
            await cluster.handle.signal('patchNow');
            await cluster.untilIdle(1);
          },
          {},
          worker,
        );
        await spans.close();
        const seen = await waitFor(
          () => {
            const all = spansOf(collector);
            return all.some(({ name }) => name === 'run') ? all : null;
          },
          { what: 'the spans of the run' },
        );
        const root = seen.find(({ name }) => name === 'run');
        const nodes = seen.filter(({ name }) => name === 'node');
        expect(new Set(seen.map(({ traceId }) => traceId))).toEqual(new Set([root?.traceId]));
        expect(nodes.map(({ parentSpanId }) => parentSpanId)).toEqual([root?.spanId, root?.spanId]);
        for (const node of nodes) {
          const below = seen.filter(({ parentSpanId }) => parentSpanId === node.spanId).map(({ name }) => name);
          expect(below).toEqual(
            expect.arrayContaining(['preflight', 'apply', 'verify', 'activity preflight', 'activity apply']),
          );
        }
        expect(warnings).toEqual([]);
      } finally {
        await cluster.handle.terminate().catch(() => undefined);
        await collector.stop();
      }
    },
  );
});
