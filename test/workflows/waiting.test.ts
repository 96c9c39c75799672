/** Commands that wait for a run, from the command line to a real server: whatever becomes of the run, no other one is taken for it. */
import { ClusterClient } from '../../src/client/cluster-client';
import { runCli } from '../../src/cli/main';
import type { Patching } from '../../src/domain/spec/types';
import { fakeTerminal } from '../cli/support';
import { clusterSpec } from '../support/builders';
import { waitFor } from '../support/wait-for';
import type { TestCluster } from './harness';
import { Harness } from './harness';

/** One worker for all clusters of this file, which are told apart by the names of their nodes. */
const TASK_QUEUE = 'waiting';

let harness: Harness;
let host: TestCluster;
let client: ClusterClient;
let stop: () => void;
let stopped: Promise<void>;

beforeAll(async () => {
  harness = await Harness.start('real');
  host = harness.newCluster(TASK_QUEUE);
  const over = new Promise<void>((resolve) => {
    stop = resolve;
  });
  stopped = harness.withWorkerFor(host, () => over);
  process.env['OSPATCH_TASK_QUEUE'] = TASK_QUEUE;
  client = await ClusterClient.connect({ address: harness.address });
});

afterAll(async () => {
  delete process.env['OSPATCH_TASK_QUEUE'];
  await client.close();
  stop();
  await stopped;
  await harness.stop();
});

interface Ended {
  code: number;
  out: string;
  err: string;
}

class Scenario {
  readonly cluster: TestCluster;
  readonly nodes: string[];

  constructor(readonly name: string) {
    this.cluster = harness.newCluster(name);
    this.nodes = [`${name}-1`, `${name}-2`];
  }

  apply(patching: Partial<Patching> = {}, nodes = this.nodes): Promise<unknown> {
    return this.cluster.apply(clusterSpec(nodes, patching, this.name), TASK_QUEUE);
  }

  /** Run 1 is in progress on the first node, until the returned function is called. */
  async begun(): Promise<() => void> {
    const [first = ''] = this.nodes;
    const release = host.nodes.hold(first, 'apply');
    await this.apply();
    await client.patch(this.name, { nodes: [first] });
    await this.cluster.untilPatching(first);
    return release;
  }

  cli(...args: string[]): Promise<Ended> {
    return this.start(...args).ended;
  }

  /** Starts a command that waits; `waiter` is its end, once it has printed `until`. */
  async waits(until: string, ...args: string[]): Promise<{ waiter: Promise<Ended> }> {
    const { ended, printed } = this.start(...args);
    await waitFor(() => printed().includes(until), { what: until });
    return { waiter: ended };
  }

  private start(...args: string[]): { ended: Promise<Ended>; printed: () => string } {
    const terminal = fakeTerminal({ now: Date.now });
    const { out, err, exitCode } = terminal;
    const ended = runCli(['--address', harness.address, ...args], terminal.context);
    return {
      ended: ended.then(() => ({ code: exitCode(), out: out(), err: err() })),
      printed: () => out() + err(),
    };
  }
}

/** A waiter on `patch`, which is queued behind run 1. */
async function queued(one: Scenario): Promise<{ waiter: Promise<Ended>; release: () => void }> {
  const release = await one.begun();
  const args = ['patch', one.name, '--nodes', one.nodes.join(','), '--reason', 'mine', '--wait'];
  return { ...(await one.waits(`run 2 of ${one.name} will start after run 1`, ...args)), release };
}

describe('ospatch patch --wait', () => {
  it('ends with 1 when its request was cancelled, and takes no run of somebody else for its own', async () => {
    const one = new Scenario('foreign');
    const { waiter, release } = await queued(one);
    expect(await one.cli('cancel', one.name, '--reason', 'wrong')).toMatchObject({
      code: 0,
      out: expect.stringContaining('run 1 of foreign is being cancelled; queued run 2 is cancelled too') as string,
    });
    release();
    const [, second = ''] = one.nodes;
    expect(await one.cli('patch', one.name, '--nodes', second, '--wait')).toMatchObject({ code: 0 });
    const ended = await waiter;
    expect(ended).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /run 2 of foreign .*cancelled by .* together with run 1, before it started\n {2}fix: ospatch patch/,
      ) as string,
    });
    expect(ended.out).not.toMatch(/run 2 .*succeeded/);
  });

  it('ends with 1 when its request was cancelled and a boot run follows', async () => {
    const one = new Scenario('boot');
    const { waiter, release } = await queued(one);
    await one.cli('cancel', one.name);
    release();
    await one.apply({ patchOnBoot: true }, [...one.nodes, 'boot-3']);
    await one.cluster.until('the boot run has ended', ({ lastRun }) => lastRun?.trigger === 'boot');
    expect(await waiter).toMatchObject({
      code: 1,
      out: expect.stringMatching(/run 2 of boot .*cancelled by .* together with run 1/) as string,
    });
  });

  it('follows a queued run into the next history of the cluster, and tells the end of the run before it', async () => {
    const one = new Scenario('next');
    const { waiter, release } = await queued(one);
    const { runId } = await one.cluster.handle.describe();
    release();
    const { code, out } = await waiter;
    expect(code).toBe(0);
    expect(out).toMatch(/run 2 of next succeeded/);
    expect((await one.cluster.handle.describe()).runId).not.toBe(runId);
  });

  it('goes on waiting while the cluster is paused', async () => {
    const one = new Scenario('paused');
    const { waiter, release } = await queued(one);
    await one.cli('pause', one.name, '--reason', 'release day');
    release();
    await one.cluster.until('run 1 has ended', ({ lastRun }) => lastRun?.number === 1);
    expect(await Promise.race([waiter, one.cluster.status()])).toMatchObject({ state: 'paused' });
    await one.cli('resume', one.name);
    expect(await waiter).toMatchObject({
      code: 0,
      out: expect.stringContaining('run 2 of paused succeeded') as string,
    });
  });

  it('ends with 1 when the cluster is removed', async () => {
    const one = new Scenario('removed');
    const { waiter, release } = await queued(one);
    await client.remove(one.name);
    release();
    expect(await waiter).toMatchObject({
      code: 1,
      err: expect.stringContaining('the cluster removed was removed meanwhile, so run 2 of removed') as string,
    });
  });

  it('ends with 1 when the workflow of the cluster is terminated, and names the way back', async () => {
    const one = new Scenario('terminated');
    const { waiter, release } = await queued(one);
    await one.cluster.handle.terminate('by mistake');
    const { code, err } = await waiter;
    release();
    expect(code).toBe(1);
    expect(err).toMatch(/terminated in Temporal.*by mistake/);
    expect(err).toContain('ospatch recover terminated');
  });

  it.each([
    ['its request', 'undone', 'the request for run 2 of undone is gone'],
    ['all there was of the cluster', 'reset', 'the workflow of the cluster reset was reset in Temporal to before the'],
  ])('ends with 1 when a reset has undone %s', async (_, name, sentence) => {
    const one = new Scenario(name);
    const { waiter, release } = await queued(one);
    const { runId } = await one.cluster.handle.describe();
    const { events = [] } = await one.cluster.handle.fetchHistory();
    const request = events?.findLastIndex((event) => event.workflowExecutionUpdateAcceptedEventAttributes) ?? 0;
    const tasks = events?.slice(0, request - 1).filter((event) => event.workflowTaskCompletedEventAttributes) ?? [];
    const last = (name === 'undone' ? tasks.at(-1) : tasks[0])?.eventId;
    await one.cluster.env.client.workflowService.resetWorkflowExecution({
      ...{ namespace: 'default', workflowExecution: { workflowId: one.cluster.handle.workflowId, runId } },
      ...{ reason: 'by hand', requestId: name, ...(last ? { workflowTaskFinishEventId: last } : {}) },
    });
    const { code, out, err } = await waiter;
    release();
    expect(code).toBe(1);
    expect(err).toContain(sentence);
    expect(out).not.toContain('succeeded');
  });
});
