/** The exporter on a real server: what it shows of a run, without queries; its own end, and that of Temporal. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from '../../src/dev/ports';
import { startExporter } from '../../src/exporter/exporter';
import type { Exporter } from '../../src/exporter/exporter';
import { packageVersion } from '../../src/version';
import { dashboardQueries } from '../monitoring/dashboard-queries';
import { clusterSpec } from '../support/builders';
import { Cable } from '../support/cable';
import { waitFor } from '../support/wait-for';
import { startWorker } from '../support/worker-process';
import { Harness } from './harness';

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

function start(address: string, taskQueue: string): Promise<Exporter> {
  return startExporter({
    listen: { host: '127.0.0.1', port: 0 },
    connection: { address, taskQueue, signWith: '', deadlineMs: 5_000 },
    intervalMs: 200,
    log: { info: () => undefined, warn: () => undefined },
  });
}

const scrape = async ({ url }: Exporter): Promise<string> => (await fetch(`${url}/metrics`)).text();
const readiness = async ({ url }: Exporter): Promise<number> => (await fetch(`${url}/readyz`)).status;

/** The series of one cluster that do not depend on the time. */
const seriesOf = (text: string, cluster: string): string[] =>
  text.split('\n').filter((line) => line.includes(`cluster="${cluster}"`));

describe('src/exporter/exporter', () => {
  it('shows a run and what came of it, and has the same series after its own end and that of Temporal', () =>
    harness.withWorker(async (cluster) => {
      const cable = new Cable(harness.address);
      const address = await cable.plug();
      let exporter = await start(address, cluster.name);
      const set = `cluster="${cluster.name}"`;
      const untilShown = (...lines: string[]): Promise<string> =>
        waitFor(
          async () => {
            const text = await scrape(exporter);
            return lines.every((line) => text.includes(`${line}\n`)) ? text : null;
          },
          { what: lines.join(' and ') },
        );
      const release = cluster.nodes.hold('w-1', 'apply');
      try {
        await cluster.apply(clusterSpec(undefined, {}, cluster.name));
        await cluster.handle.signal('patchNow');
        await untilShown(
          `ospatch_run_in_progress{${set},trigger="on-demand"} 1`,
          `ospatch_run_nodes{${set},state="patching"} 1`,
          `ospatch_node_state{${set},node="w-1",state="patching"} 1`,
          `ospatch_cluster_state{${set},state="running"} 1`,
          'ospatch_up 1',
        );
        release();
        await cluster.untilIdle(1);
        const done = await untilShown(
          `ospatch_runs_total{${set},trigger="on-demand",outcome="succeeded"} 1`,
          `ospatch_package_transactions_total{${set},outcome="changed"} 3`,
          `ospatch_node_state{${set},node="w-1",state="patched"} 1`,
          `ospatch_run_in_progress{${set},trigger="on-demand"} 0`,
          'ospatch_node_step_duration_seconds_count{step="apply"} 3',
        );
        expect(done).toMatch(/^ospatch_site_workers\{site="[^"]+"\} 1$/m);
        expect(done).toContain(`ospatch_node_last_applied_patch_timestamp_seconds{${set},node="w-1"}`);

        cable.cut();
        const away = await untilShown('ospatch_up 0');
        expect(seriesOf(away, cluster.name)).toEqual(seriesOf(done, cluster.name));
        expect(await readiness(exporter)).toBe(503);
        // One that starts now has nothing to show, and shows nothing.
        const other = await start(address, cluster.name);
        expect(await scrape(other)).toContain('ospatch_up 0\n');
        expect(seriesOf(await scrape(other), cluster.name)).toEqual([]);
        cable.mend();
        const isReady = async (): Promise<boolean> =>
          (await readiness(exporter)) === 200 && (await readiness(other)) === 200;
        await waitFor(isReady, { what: 'both exporters to see Temporal again' });
        expect(seriesOf(await scrape(other), cluster.name)).toEqual(seriesOf(done, cluster.name));
        await other.close();

        await exporter.close();
        exporter = await start(address, cluster.name);
        expect(seriesOf(await untilShown('ospatch_up 1'), cluster.name)).toEqual(seriesOf(done, cluster.name));
      } finally {
        release();
        await exporter.close();
        cable.remove();
      }
    }));

  it('asks a cluster of many nodes for their rows, once for each change', () =>
    harness.withWorker(async (cluster) => {
      const names = Array.from({ length: 60 }, (_, at) => `w-${at}`);
      await cluster.apply(clusterSpec(names, {}, cluster.name));
      const exporter = await start(harness.address, cluster.name);
      try {
        const untilAll = async (): Promise<string | null> => {
          const page = await scrape(exporter);
          return page.includes('node="w-59",state="unknown"} 1') ? page : null;
        };
        const text = await waitFor(untilAll, { what: 'the rows of all nodes' });
        expect(text).toContain(`ospatch_cluster_nodes{cluster="${cluster.name}",state="unknown"} 60\n`);
      } finally {
        await exporter.close();
      }
    }));
});

describe('ospatch worker --metrics', () => {
  const answerOf = async (port: number, page: string): Promise<{ status: number; text: string } | null> => {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/${page}`);
      return { status: answer.status, text: await answer.text() };
    } catch {
      return null;
    }
  };

  it('shows the SDK and its version, and is ready exactly while it takes tasks', async () => {
    const cable = new Cable(harness.address);
    const cluster = harness.newCluster();
    const [port = 0] = await freePorts(1);
    const address = await cable.plug();
    const listen = `127.0.0.1:${port}`;
    const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-worker-'));
    const directories = ['KEY', 'KUBECONFIG', 'SECRET', 'NOTIFY'].map((name) => [`OSPATCH_${name}_DIR`, dir]);
    const worker = startWorker(
      ['--metrics', listen, '--task-queue', cluster.name, '--address', address],
      Object.fromEntries(directories) as Record<string, string>,
    );
    const untilReady = (status: number, why: string): Promise<true> =>
      waitFor(
        async () => {
          const answer = await answerOf(port, 'readyz');
          return answer?.status === status && answer.text === `${why}\n`;
        },
        // An idle worker shuts down within a fraction of a second.
        { what: `${status} ${why}`, pollMs: 10 },
      );
    try {
      await untilReady(200, 'ok');
      expect(await answerOf(port, 'healthz')).toEqual({ status: 200, text: 'ok\n' });
      // Its nodes are at an address where nobody answers: the activity of an inspection fails.
      await cluster.apply(clusterSpec(['w-1'], {}, cluster.name));
      await cluster.handle.signal('patchNow');
      await cluster.untilIdle(1);
      const page = (await answerOf(port, 'metrics'))?.text ?? '';
      expect(page).toContain(`ospatch_build_info{version="${packageVersion()}"} 1\n`);
      expect(sdkSeries().filter((name) => !page.includes(`\n# TYPE ${name} `))).toEqual([]);

      cable.cut();
      await untilReady(503, 'Temporal does not answer');
      expect(await answerOf(port, 'healthz')).toEqual({ status: 200, text: 'ok\n' });
      cable.mend();
      await untilReady(200, 'ok');

      worker.terminate();
      await untilReady(503, 'the worker is shutting down');
      expect(await worker.ended).toBe(0);
      expect(await answerOf(port, 'healthz')).toBeNull();
    } finally {
      await worker.kill();
      await cluster.handle.terminate().catch(() => undefined);
      cable.remove();
      rmSync(dir, { recursive: true });
    }
  });
});

/** What the dashboard shows of workers, without what only failures have. */
function sdkSeries(): string[] {
  const names = dashboardQueries().flatMap(({ expr }) => [...expr.matchAll(/\btemporal_\w+/g)].map(([name]) => name));
  expect(names.length).toBeGreaterThan(4);
  return names.map((name) => name.replace(/_bucket$/, '')).filter((name) => !name.includes('fail'));
}
