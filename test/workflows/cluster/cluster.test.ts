import type { WorkflowHandle } from '@temporalio/client';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import { policyFor } from '../../../src/domain/cluster/decide';
import type { ClusterHistory, ClusterStatus } from '../../../src/domain/cluster/messages';
import type { Patching, SelfManagedSpec } from '../../../src/domain/spec/types';
import { CONTINUE_ON_FAILURE, clusterSpec, rollout, settled } from '../../support/builders';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

jest.setTimeout(300_000);

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

function spec(cluster: TestCluster, patching: Partial<Patching> = {}, names?: string[]): SelfManagedSpec {
  return clusterSpec(names, patching, cluster.name);
}

function history(handle: WorkflowHandle): Promise<ClusterHistory> {
  return handle.query('history');
}

describe('src/workflows/cluster/cluster', () => {
  it('patches every node once on boot, workers first, and is ready afterwards', () =>
    harness.withWorker(async (cluster) => {
      expect((await cluster.apply(spec(cluster, { patchOnBoot: true }))).result).toBe('created');
      const status = await cluster.untilIdle(1);
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
      expect(status).toMatchObject({
        state: 'idle',
        ready: true,
        lastRun: { trigger: 'boot', outcome: 'succeeded', patched: 3 },
      });
      expect(status.nodes[0]).toMatchObject({
        state: 'patched',
        bootPatch: 'done',
        patchedVersion: 'Debian GNU/Linux 12.15',
        lastAppliedPatchTime: expect.stringMatching(/^\d{4}-.*Z$/),
        pendingUpdates: 0,
      });
    }));

  it('keeps its timer while its deadline stays, and says what the timer is for', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster, { schedule: [{ preset: 'weekly', startWithin: '12h' }] }));
      const { runId } = await cluster.handle.describe();
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      for (const update of ['lock', 'unlock', 'lock', 'unlock'])
        await cluster.handle.executeUpdate(update, { args: [{ node: 'cp-1', reason: 'incident' }] });
      release();
      await cluster.untilIdle(1);
      const { events } = await harness.env.client.workflow.getHandle(cluster.handle.workflowId, runId).fetchHistory();
      const timers = (events ?? []).filter(({ timerStartedEventAttributes: timer }) => timer);
      const lasts = ({ timerStartedEventAttributes: timer }: (typeof timers)[number]): number =>
        Number(timer?.startToFireTimeout?.seconds ?? 0);
      const ofMetrics = timers.filter((timer) => lasts(timer) < 60).length;
      // Until the next window: before the run, and during it; once more after each one that comes before, for metrics of a slow run.
      expect(timers.length - ofMetrics).toBeGreaterThanOrEqual(2);
      expect(timers.length - ofMetrics).toBeLessThanOrEqual(2 + ofMetrics);
      expect(timers.filter(({ userMetadata }) => !userMetadata?.summary?.data)).toEqual([]);
    }));

  it('runs a bare signal and reports nodes with nothing to do as up to date', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-2').pending = [];
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ trigger: 'on-demand', patched: 2, upToDate: 1 });
      expect(cluster.nodes.node('w-2').applies).toBe(0);
    }));

  it('reboots a node that requires a reboot only when allowed', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      await cluster.apply(spec(cluster, { rebootIfRequired: false }));
      await cluster.handle.signal('patchNow');
      const restricted = await cluster.untilIdle(1);
      expect(restricted.nodes.find((node) => node.name === 'w-1')).toMatchObject({
        state: 'reboot-pending',
        rebootRequired: true,
      });
      expect(cluster.nodes.node('w-1').reboots).toBe(0);

      await cluster.apply(spec(cluster, { rebootIfRequired: true }));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      const allowed = await cluster.untilIdle(2);
      expect(allowed.nodes.find((node) => node.name === 'w-1')).toMatchObject({
        state: 'patched',
        rebootRequired: false,
      });
      expect(cluster.nodes.node('w-1').reboots).toBe(1);
    }));

  it('repairs a node also after the last interrupted transaction, and reports what was applied', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').interrupted = 3;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      const status = await cluster.untilIdle(1);
      expect(status.nodes.find((node) => node.name === 'w-1')?.lastError?.message).toBe(
        'the package transaction on w-1 was interrupted 3 times; nothing was changed',
      );
      const steps = cluster.nodes.audit[0]?.result.steps.map((step) => step.step);
      expect(steps?.filter((step) => step === 'apply')).toHaveLength(3);
      expect(steps?.at(-1)).toBe('repair');
    }));

  it('repairs a node whose package transaction was interrupted, and applies again', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').interrupted = 1;
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
      expect(cluster.nodes.audit[0]?.result.steps.map((step) => step.step)).toEqual([
        'preflight',
        'apply',
        'repair',
        'preflight',
        'apply',
        'verify',
      ]);
      expect(cluster.nodes.audit[0]?.result.warnings).toEqual([
        {
          kind: 'repaired',
          message:
            'the packages were applied, by a repair or another attempt, after a failure: attempt 1 was interrupted',
          remedy: null,
        },
      ]);
    }));

  it('stops at a failed node and skips the others', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').preflightError = {
        type: 'AuthFailed',
        message: 'w-1 refused the key',
        remedy: 'add it',
      };
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'stopped', failed: 1, notTried: 2 });
      expect(status.nodes.map((node) => node.state)).toEqual(['not-tried', 'failed', 'not-tried']);
      expect(status.nodes[1]?.lastError).toEqual({
        type: 'AuthFailed',
        message: 'w-1 refused the key; nothing was changed',
        remedy: 'add it',
      });
    }));

  it('leaves a node with a changed host key alone until its trusted keys change or a run names the node', () =>
    harness.withWorker(async (cluster) => {
      const asked = (): number => cluster.nodes.order.filter((name) => name === 'w-1').length;
      const w1 = (status: ClusterStatus) => status.nodes.find((node) => node.name === 'w-1');
      const trusting = (key: string) => {
        const wanted = spec(cluster, { rollout: rollout() });
        return { ...wanted, nodes: wanted.nodes.map((node) => ({ ...node, hostKeys: [key] })) };
      };
      const [key, newKey] = [
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g',
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB',
      ];
      const mismatch = { type: 'HostKeyMismatch', message: 'w-1 has another host key' } as const;
      cluster.nodes.node('w-1').preflightError = mismatch;
      await cluster.apply(trusting(key));
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ outcome: 'stopped', failed: 1, notTried: 2 });

      // Known in advance, the quarantine goes straight into the record of the run, and the others are patched. Nothing but
      // the host key is read.
      await cluster.handle.signal('patchNow');
      const again = await cluster.untilIdle(2);
      expect(again.lastRun).toMatchObject({ outcome: 'failed', failed: 1, patched: 2, notTried: 0 });
      const told = { ...mismatch, message: 'w-1 has another host key; nothing was changed' };
      expect(w1(again)).toMatchObject({ state: 'failed', lastError: told, quarantine: told });
      expect(asked()).toBe(1);

      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect(w1(await cluster.untilIdle(3))).toMatchObject({ state: 'failed', quarantine: told });
      expect(asked()).toBe(2);

      // The answer came from somebody else: the trusted key is shown again, and the alarm stays until a run names the node.
      Object.assign(cluster.nodes.node('w-1'), { preflightError: null, showsTrustedKey: true });
      await cluster.handle.signal('patchNow');
      const over = await cluster.untilIdle(4);
      expect(over.lastRun).toMatchObject({ outcome: 'succeeded' });
      expect(w1(over)).toMatchObject({ state: 'patched', lastError: null, hostKeyAlarm: told.message });
      expect(w1(over)).not.toHaveProperty('quarantine');
      await cluster.handle.signal('patchNow');
      expect(w1(await cluster.untilIdle(5))).toMatchObject({ hostKeyAlarm: told.message });
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect(w1(await cluster.untilIdle(6))).not.toHaveProperty('hostKeyAlarm');
      expect(cluster.nodes.log.filter((line) => line === 'probe w-1')).toHaveLength(2);

      Object.assign(cluster.nodes.node('w-1'), { preflightError: mismatch, showsTrustedKey: false });
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      expect(w1(await cluster.untilIdle(7))).toMatchObject({ quarantine: told });
      cluster.nodes.node('w-1').preflightError = null;
      await cluster.apply(trusting(newKey));
      expect(w1(await cluster.status())).not.toHaveProperty('quarantine');
      await cluster.handle.signal('patchNow');
      const healed = await cluster.untilIdle(8);
      expect(healed.lastRun).toMatchObject({ outcome: 'succeeded' });
      expect(w1(healed)).toMatchObject({ state: 'up-to-date', lastError: null });
      expect(asked()).toBe(7);
    }));

  it('continues after a failed node when configured', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').preflightError = { type: 'AuthFailed', message: 'no' };
      await cluster.apply(
        spec(cluster, { rollout: rollout({ order: 'control-planes-first', ...CONTINUE_ON_FAILURE }) }),
      );
      await cluster.handle.signal('patchNow');
      const status = await cluster.untilIdle(1);
      expect(cluster.nodes.order).toEqual(['cp-1', 'w-1', 'w-2']);
      expect(status.lastRun).toMatchObject({ outcome: 'failed', failed: 1, patched: 2 });
    }));

  it('lets the node in progress finish on pause, and continues the same run on resume', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      await cluster.handle.executeUpdate('pause', { args: [{ by: 'ann', reason: 'audit' }] });
      await cluster.untilRunKnowsOfPause(1);
      release();
      const paused = await cluster.until('the run is suspended', (status) => status.state === 'paused');
      expect(paused.run).toMatchObject({ number: 1, state: 'paused', done: 1, total: 3 });
      expect(cluster.nodes.order).toEqual(['w-1']);
      await expect(cluster.handle.executeUpdate('patchNow', { args: [{}] })).rejects.toMatchObject({
        cause: { type: 'Refused', message: expect.stringContaining('paused by ann') },
      });
      await cluster.handle.signal('resume');
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ number: 1, outcome: 'succeeded', patched: 3 });
      expect(cluster.nodes.order).toEqual(['w-1', 'w-2', 'cp-1']);
    }));

  it('has the end of every node of a run that is cancelled while it is paused, and none of one that never began', () =>
    harness.withWorker(async (cluster) => {
      const names = ['w-1', 'w-2', 'w-3', 'w-4'];
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster, {}, names));
      await cluster.client.patch(cluster.name);
      await cluster.untilPatching('w-1');
      await cluster.client.patch(cluster.name);
      await cluster.client.pause(cluster.name);
      await cluster.untilRunKnowsOfPause(1);
      release();
      await cluster.until('the run is suspended', ({ state }) => state === 'paused');
      await cluster.client.steer(cluster.name, 'skip', { node: 'w-3', reason: 'disk' });
      await cluster.apply(spec(cluster, {}, ['w-1', 'w-2', 'w-3']));
      await cluster.client.cancelRun(cluster.name);
      await cluster.untilIdle(2);
      const { summary, nodes } = await cluster.client.run(cluster.name, 1);
      expect(summary).toMatchObject({ outcome: 'cancelled', patched: 1, skipped: 2, notTried: 1 });
      expect(nodes.map(({ settled: one }) => [one.node, one.outcome, one.error?.message ?? null])).toEqual([
        ['w-1', 'patched', null],
        ['w-4', 'skipped', 'the node was removed from the cluster before its turn'],
        ['w-2', 'not-tried', 'the run was cancelled before this node'],
        ['w-3', 'skipped', 'skipped by ann: disk'],
      ]);
      expect(await cluster.client.run(cluster.name, 2)).toMatchObject({ summary: { outcome: 'cancelled' }, nodes: [] });
    }));

  it('finishes the package transaction in progress on cancellation, and starts nothing else', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      expect(await cluster.handle.executeUpdate('cancelRun', { args: [{}] })).toEqual({
        run: 1,
        followUp: null,
      });
      await cluster.until('the run is being cancelled', (status) => status.run?.state === 'cancelling');
      await cluster.untilCancelled('w-1');
      release();
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ outcome: 'cancelled', rebootPending: 1, notTried: 2 });
      expect(cluster.nodes.node('w-1')).toMatchObject({ applies: 1, reboots: 0 });
      expect(status.nodes[1]).toMatchObject({ state: 'reboot-pending', lastAppliedPatchTime: expect.any(String) });
    }));

  it('applies changes of reboots and nodes during a run', () =>
    harness.withWorker(async (cluster) => {
      cluster.nodes.node('w-1').requiresReboot = true;
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      const answer = await cluster.apply(
        spec(cluster, { rebootIfRequired: false, patchOnBoot: true }, ['cp-1', 'w-1', 'w-3']),
      );
      expect(answer.result).toBe('updated');
      await cluster.untilNodeSignalled('w-1', 'forbidReboots');
      release();
      const status = await cluster.untilIdle(2);
      expect(status.nodes.map((node) => [node.name, node.state])).toEqual([
        ['cp-1', 'patched'],
        ['w-1', 'reboot-pending'],
        ['w-3', 'patched'],
      ]);
      expect(cluster.nodes.order).toEqual(['w-1', 'cp-1', 'w-3']);
      const { runs } = await history(cluster.handle);
      expect(runs.map((run) => [run.trigger, run.total, run.skipped])).toEqual([
        ['on-demand', 3, 1],
        ['boot', 1, 0],
      ]);
    }));

  it('merges requests during a run into one follow-up run', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      const ask = (nodes: string[], requestId: string): Promise<unknown> =>
        cluster.handle.executeUpdate('patchNow', { args: [{ nodes, requestId }] });
      expect(await ask(['w-1'], 'a')).toMatchObject({ run: 2, started: false, after: 1 });
      expect(await ask(['w-1'], 'a')).toMatchObject({ run: 2, started: false, after: 1 });
      expect(await ask(['cp-1'], 'b')).toMatchObject({ run: 2, started: false, after: 1 });
      release();
      await cluster.untilIdle(2);
      const { runs } = await history(cluster.handle);
      expect(runs.map((run) => run.total)).toEqual([3, 2]);
      // The request id is known in later runs of the workflow, too.
      expect(await ask(['w-1'], 'a')).toMatchObject({ run: 2, started: false, after: 1 });
      expect((await cluster.status()).run).toBeNull();
    }));

  it('survives garbage messages, and records the rejections', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      for (const signal of ['patchNow', 'pause', 'resume', 'cancelRun', 'runProgress', 'noSuchSignal']) {
        for (const garbage of [42, 'x', [1], { nodes: 7 }, { unknown: true }])
          await cluster.handle.signal(signal, garbage);
      }
      const refused = await cluster.until('a rejection is recorded', (status) => status.lastRejection !== null);
      expect(refused.lastRejection).toMatchObject({
        request: 'signal noSuchSignal',
        message: expect.stringContaining('no such signal'),
      });
      expect(refused).toMatchObject({ state: 'idle', run: null, paused: null });
      await cluster.handle.signal('patchNow', { nodes: ['nobody'] });
      const named = await cluster.until('the next refusal', (status) => status.lastRejection?.request === 'patchNow');
      expect(named.lastRejection?.message).toMatch(/no such node: nobody/);
      await cluster.handle.signal('patchNow');
      expect((await cluster.untilIdle(1)).lastRun?.outcome).toBe('succeeded');
    }));

  it('survives forged progress of a run and names reserved by Temporal', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      const forged = {
        kind: 'node',
        node: 'cp-1',
        outcome: 'failed',
        error: { type: 'x', message: 5 },
        appliedAt: 7,
        reading: { kernel: {} },
      };
      await cluster.handle.signal('runProgress', {
        ...{ run: 1, workflowId: await cluster.runId(1), started: ['nobody', 7] },
        settled: [forged, { kind: 'node', node: 'nobody', outcome: 'failed' }],
      });
      // From run 1 of an earlier cluster of this name.
      await cluster.handle.signal('runProgress', {
        ...{ run: 1, workflowId: `${await cluster.runId(1)}-earlier`, started: [] },
        settled: [{ ...forged, node: 'w-2' }],
      });
      await cluster.handle.signal('__temporal_x', 1);
      const refused = await cluster.until('a rejection is recorded', (status) => status.lastRejection !== null);
      expect(refused.lastRejection?.request).toContain('reserved name x');
      release();
      // The final result of the run counts.
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ total: 3, outcome: 'succeeded', failed: 0, patched: 3 });
      expect(status.nodes[0]).toMatchObject({ name: 'cp-1', state: 'patched', lastError: null });
    }));

  it('rejects a run and a node patch started by hand under another id, or without input', () =>
    harness.withWorker(async (cluster) => {
      const { workflow } = cluster.env.client;
      const [node] = spec(cluster).nodes;
      const policy = policyFor(spec(cluster), 'on-demand');
      const patch = { cluster: cluster.name, run: 1, trigger: 'on-demand', node, policy };
      const run = { ...patch, startedAt: '', nodes: [node], resumeFrom: null, restrictions: {} };
      const nodeId = nodeWorkflowId(cluster.name, node?.name ?? '');
      const starts: [string, string, unknown[]][] = [
        ['patchNode', 'beside-the-lock', [patch]],
        ['patchNode', nodeId, []],
        ['patchNode', nodeId, [{ ...patch, policy: null }]],
        ['updateNodegroup', nodeId, [{ ...patch, nodeGroup: node?.name }]],
        ['run', `${cluster.handle.workflowId}/run/2-x`, [run]],
        ['run', `${cluster.handle.workflowId}/run/1-x`, [{ ...run, nodes: undefined }]],
        ['run', `${cluster.handle.workflowId}/run/1-x`, []],
      ];
      for (const [type, workflowId, args] of starts) {
        const handle = await workflow.start(type, { workflowId, taskQueue: cluster.name, args });
        await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'Refused' } });
      }
      expect(cluster.nodes.log).toEqual([]);
    }));

  it('does not touch a node that was removed while its run was paused', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow');
      await cluster.untilPatching('w-1');
      await cluster.handle.signal('pause');
      await cluster.until('the pause is known', (status) => status.paused !== null);
      await cluster.untilRunKnowsOfPause(1);
      release();
      await cluster.until('the run is suspended', (status) => status.state === 'paused');
      await cluster.apply(spec(cluster, {}, ['cp-1', 'w-1']));
      await cluster.apply(spec(cluster, {}, ['cp-1', 'w-1', 'w-2']));
      await cluster.handle.signal('resume');
      const status = await cluster.untilIdle(1);
      expect(cluster.nodes.order).toEqual(['w-1', 'cp-1']);
      expect(status.nodes.map((node) => [node.name, node.state])).toEqual([
        ['cp-1', 'patched'],
        ['w-1', 'patched'],
        ['w-2', 'unknown'],
      ]);
    }));

  it('survives payloads that no converter can read', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      for (const payload of [
        { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{"broken') },
        { metadata: { encoding: Buffer.from('no/such') }, data: Buffer.from([0, 255]) },
        { metadata: {}, data: Buffer.from('x') },
      ]) {
        await cluster.env.client.workflowService.signalWorkflowExecution({
          namespace: cluster.env.client.options.namespace,
          workflowExecution: { workflowId: cluster.handle.workflowId },
          signalName: 'patchNow',
          input: { payloads: [payload] },
        });
      }
      const status = await cluster.until('a rejection is recorded', (one) => one.lastRejection !== null);
      expect(status.lastRejection?.message).toContain('the input cannot be read: ');
      expect(status.run).toBeNull();
    }));

  it('rejects an unknown update and an invalid spec, and keeps its state', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      await expect(cluster.handle.executeUpdate('frobnicate', { args: [] })).rejects.toThrow();
      for (const garbage of [
        null,
        42,
        { spec: {} },
        { spec: { apiVersion: 'ospatch/v1', name: cluster.name, type: 'eks' } },
      ]) {
        await expect(cluster.handle.executeUpdate('applySpec', { args: [garbage] })).rejects.toThrow();
      }
      expect(await cluster.handle.query('spec')).toEqual(spec(cluster));
    }));

  it.each(['imported', 'eks', 'aks', 'gke', 'managed'] as const)(
    'lists a cluster of type %s and never patches the cluster',
    (type) =>
      harness.withWorker(async (cluster) => {
        const answer = await cluster.apply({ apiVersion: 'ospatch/v1', name: cluster.name, type });
        expect(answer).toMatchObject({ result: 'created', notice: expect.stringContaining('not available') });
        await cluster.handle.signal('patchNow');
        await expect(cluster.handle.executeUpdate('patchNow', { args: [{}] })).rejects.toMatchObject({
          cause: { type: 'Refused' },
        });
        const status = await cluster.status();
        expect(status).toMatchObject({
          state: 'not-patchable',
          run: null,
          lastRun: null,
          lastRejection: { request: 'patchNow' },
        });
      }),
  );

  it('removes a cluster after its run was cancelled with clean-up, and starts without state when applied again', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster, { patchOnBoot: true }));
      await cluster.untilPatching('w-1');
      const { handle } = cluster;
      expect(await handle.executeUpdate('remove', { args: [{ by: 'ann' }] })).toEqual({ run: 1 });
      await expect(handle.executeUpdate('patchNow', { args: [{}] })).rejects.toMatchObject({
        cause: { type: 'Refused' },
      });
      release();
      expect(await handle.result()).toMatchObject({ lastRun: { outcome: 'cancelled' } });
      expect(cluster.nodes.node('w-1').applies).toBe(1);
      // Who has removed the cluster is known as long as Temporal has its workflow.
      const { events = [] } = (await cluster.client.eventsOfRemoved(cluster.name)) ?? {};
      expect(events.find(({ request }) => request === 'remove')).toMatchObject({ by: 'ann', run: 1 });

      expect((await cluster.apply(spec(cluster))).result).toBe('created');
      expect(await cluster.client.eventsOfRemoved(cluster.name)).toBeNull();
      expect(await cluster.status()).toMatchObject({ state: 'idle', lastRun: null });
    }));

  it('ignores a run of an earlier cluster with the same name', () =>
    harness.withWorker(async (cluster) => {
      const release = cluster.nodes.hold('w-1', 'apply');
      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.untilPatching('w-1');
      const orphan = await cluster.runId(1);
      await cluster.handle.terminate('by hand');

      await cluster.apply(spec(cluster));
      await cluster.handle.signal('patchNow', { nodes: ['w-1', 'w-2'] });
      await cluster.until('run 1 is in progress', (status) => status.run?.number === 1);
      expect(await cluster.runId(1)).not.toBe(orphan);
      const news = [settled('w-2', { outcome: 'failed' })];
      await cluster.handle.signal('runProgress', { run: 1, workflowId: orphan, settled: news, current: null });
      release();
      const { lastRun } = await cluster.untilIdle(1);
      expect(lastRun).toMatchObject({ outcome: 'succeeded', total: 2, failed: 0 });
      // The orphan was cancelled together with its cluster, and uncordoned the node first.
      expect(cluster.nodes.node('w-1').applies).toBe(1);
    }));

  it('treats a cancellation from the Temporal UI as a removal', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(spec(cluster));
      await cluster.handle.cancel();
      expect(await cluster.handle.result()).toMatchObject({ state: 'removing', run: null });
    }));
});
