/**
 * Two releases side by side during a run, each in a process of its own, killed in turn. The changed release is this one
 * with one changed step. Bundles of earlier releases are kept in `previous/` by scripts/keep-bundle.js. Temporal is real,
 * nodes are simulated.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DefaultLogger, bundleWorkflowCode } from '@temporalio/worker';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import type { SelfManagedSpec } from '../../src/domain/spec/types';
import { WORKFLOW_INTERCEPTORS } from '../../src/workflow-interceptors';
import { clusterSpec, nodeSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import type { TestCluster } from '../workflows/harness';
import { Harness } from '../workflows/harness';

const LIB = path.join(__dirname, '../../lib');
const BUNDLE = path.join(LIB, 'workflow-bundle.js');
const KEPT = path.join(__dirname, 'previous');

/** Names of the earlier releases whose bundles are kept. */
const kept = existsSync(KEPT) ? readdirSync(KEPT).filter((name) => name.endsWith('.js.gz')) : [];

/** Time after which Temporal hands a task of a killed worker to another one. */
const LIMIT_MS = 60_000;

/** `previous` is this release in the tests of a changed one; `kept` an earlier one, followed by `previous`. */
type Release = 'kept' | 'previous' | 'next';

let harness: Harness;
let dir: string;
let bundles: Record<Release, string>;
const processes: ChildProcess[] = [];

beforeAll(async () => {
  harness = await Harness.start('real');
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-upgrade-'));
  const sandbox = (name: string): string => path.join(LIB, 'workflows/sandbox', `${name}.js`);
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(__dirname, 'changed-release.js'),
    payloadConverterPath: sandbox('payload-converter'),
    failureConverterPath: sandbox('failure-converter'),
    workflowInterceptorModules: WORKFLOW_INTERCEPTORS.map(sandbox),
    logger: new DefaultLogger('ERROR'),
  });
  bundles = { kept: path.join(dir, 'kept.js'), previous: BUNDLE, next: path.join(dir, 'next.js') };
  writeFileSync(bundles.next, code);
});

afterEach(() => Promise.all(processes.splice(0).map(kill)));

afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await harness.stop();
});

async function start(cluster: TestCluster, release: Release, deployment?: string): Promise<ChildProcess> {
  const version = deployment === undefined ? [] : [deployment, release];
  const worker = fork(
    path.join(__dirname, 'worker.js'),
    [harness.address, cluster.name, bundles[release], ...version],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  processes.push(worker);
  await once(worker, 'message');
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const ended = once(worker, 'exit');
  worker.kill('SIGKILL');
  await ended;
}

function siteOf(cluster: TestCluster): string {
  return `${cluster.name}.site`;
}

function spec(cluster: TestCluster): SelfManagedSpec {
  return {
    ...clusterSpec([], {}, cluster.name),
    taskQueue: siteOf(cluster),
    nodes: [nodeSpec('w-1'), nodeSpec('w-2')],
  };
}

/** Runs `body` with a cluster whose nodes are reached by unversioned workers. */
async function withCluster(body: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = harness.newCluster();
  try {
    await harness.withSiteWorker(siteOf(cluster), cluster, () => body(cluster));
  } finally {
    await cluster.handle.terminate().catch(() => undefined);
  }
}

/** Begins a run and returns with w-1 in its package transaction, which ends when the returned function is called. */
async function duringApply(cluster: TestCluster): Promise<() => void> {
  const release = cluster.nodes.hold('w-1', 'apply');
  await cluster.apply(spec(cluster));
  await cluster.handle.signal('patchNow');
  await waitFor(() => Promise.resolve(cluster.nodes.log.includes('apply w-1')), { what: 'w-1 in its apply' });
  return release;
}

/** Failed workflow tasks in the history of the node patch. */
async function taskFailures(cluster: TestCluster, node: string): Promise<string[]> {
  const { events } = await harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, node)).fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed ? [failed.failure?.message ?? ''] : [],
  );
}

/** Whether a node patch began with the timer of the next release. */
async function beganOnNext(cluster: TestCluster, node: string): Promise<boolean> {
  const { events } = await harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, node)).fetchHistory();
  const first = (events ?? []).find(
    ({ timerStartedEventAttributes: timer, activityTaskScheduledEventAttributes: activity }) => timer ?? activity,
  );
  return Boolean(first?.timerStartedEventAttributes);
}

async function setCurrentVersion(deploymentName: string, buildId: Release): Promise<void> {
  const { workflowService } = harness.env.connection;
  const version = { namespace: 'default', deploymentName, buildId, version: `${deploymentName}.${buildId}` };
  await waitFor(
    () =>
      workflowService.setWorkerDeploymentCurrentVersion({ ...version, identity: 'test' }).then(
        () => true,
        () => false,
      ),
    { what: `${buildId} to be the current version`, timeoutMs: LIMIT_MS },
  );
}

describe('upgrade during a run', () => {
  it('without versioning holds a node patch with changed steps, loses nothing, and continues after a rollback', () =>
    withCluster(async (cluster) => {
      const previous = await start(cluster, 'previous');
      const release = await duringApply(cluster);
      const next = await start(cluster, 'next');
      await kill(previous);
      release();
      const [failure] = await waitFor(
        async () => {
          const failures = await taskFailures(cluster, 'w-1');
          return failures.length > 0 && failures;
        },
        { what: 'the next release to replay the history of the previous one', timeoutMs: LIMIT_MS },
      );
      expect(failure).toMatch(/Nondeterminism/);
      // The cluster itself has no changed step: queries are answered, and w-1 is unchanged.
      expect((await cluster.status()).nodes.map(({ state }) => state)).toEqual(['patching', 'waiting']);
      await kill(next);
      await start(cluster, 'previous');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      expect(cluster.nodes.log.filter((step) => step.startsWith('apply'))).toEqual(['apply w-1', 'apply w-2']);
    }));

  it('with versioning ends a run on the release that began the run, while the cluster and new runs use the current one', () =>
    withCluster(async (cluster) => {
      const deployment = cluster.name;
      const previous = await start(cluster, 'previous', deployment);
      await setCurrentVersion(deployment, 'previous');
      const release = await duringApply(cluster);
      const next = await start(cluster, 'next', deployment);
      await setCurrentVersion(deployment, 'next');
      await kill(previous);
      release();
      // The cluster answers on the next release, while the run stays on its own.
      expect((await cluster.status()).nodes.map(({ state }) => state)).toEqual(['patching', 'waiting']);
      const again = await start(cluster, 'previous', deployment);
      await kill(next);
      await start(cluster, 'next', deployment);
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
      for (const node of ['w-1', 'w-2']) {
        expect(await taskFailures(cluster, node)).toEqual([]);
        expect(await beganOnNext(cluster, node)).toBe(false);
      }
      await kill(again);
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect((await cluster.untilIdle(2)).lastRun).toMatchObject({ outcome: 'succeeded' });
      expect(await beganOnNext(cluster, 'w-1')).toBe(true);
      expect(cluster.nodes.log.filter((step) => step.startsWith('apply'))).toEqual(['apply w-1', 'apply w-2']);
    }));

  for (const name of kept) {
    it(`ends workflows of ${path.basename(name, '.js.gz')} on this release, without versioning`, () =>
      withCluster(async (cluster) => {
        writeFileSync(bundles.kept, gunzipSync(readFileSync(path.join(KEPT, name))));
        const earlier = await start(cluster, 'kept');
        const release = await duringApply(cluster);
        await start(cluster, 'previous');
        await kill(earlier);
        release();
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'succeeded', patched: 2 });
        for (const node of ['w-1', 'w-2']) expect(await taskFailures(cluster, node)).toEqual([]);
      }));
  }
});
