/** Specs from the client, normalised, or by hand, raw; and the rejection of invalid ones. */
import { WithStartWorkflowOperation } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { applySpecUpdate } from '../../../src/contract/messages';
import { ClusterClient } from '../../../src/client/cluster-client';
import { clusterWorkflowId } from '../../../src/contract/workflow-ids';
import type { ApplySpecAnswer } from '../../../src/domain/cluster/messages';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { validateSpecObject } from '../../../src/domain/spec/parse';
import { clusterSpec } from '../../support/builders';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';
import {
  ADMITTED,
  SandboxedWorkflow,
  localActivity,
  outcomeOf,
  payloadOf,
  resolved,
  signal,
  update,
} from '../sandboxed-workflow';

type Sent = ReturnType<typeof update>;

let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start('real');
});

afterAll(() => harness.stop());

/** Raw, as typed into the Temporal UI. */
function rawSpec({ name }: TestCluster, ...nodes: string[]): Record<string, unknown> {
  const hostKeys = ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDvls8SS4rvP2QdSSVl5t9lsRoJShV8y9UXzljMSEYea'];
  return {
    ...{ apiVersion: 'ospatch/v1', name, type: 'self-managed', ssh: { user: 'ospatch', identity: 'demo' } },
    patching: { schedule: 'weekly' },
    nodes: nodes.map((node) => ({ name: node, host: `${node}.example`, hostKeys })),
  };
}

function normalised(raw: unknown): ClusterSpec {
  const checked = validateSpecObject(raw);
  if (!checked.ok) throw new Error(checked.problems.join('; '));
  return checked.spec;
}

function applyRaw(cluster: TestCluster, spec: unknown): Promise<ApplySpecAnswer> {
  return cluster.handle.executeUpdate('applySpec', { args: [{ spec }] });
}

async function startByHand(cluster: TestCluster, ...args: unknown[]): Promise<void> {
  const workflowId = clusterWorkflowId(cluster.name);
  await cluster.env.client.workflow.start('cluster', { workflowId, taskQueue: cluster.name, args });
}

describe('src/workflows/cluster/check-spec', () => {
  it('normalises a raw start argument and a raw update, and records nothing for a normalised spec', () =>
    harness.withWorker(async (cluster) => {
      const raw = rawSpec(cluster, 'w-1');
      await startByHand(cluster, { spec: raw });
      await cluster.until('the cluster exists', () => true);
      expect(await cluster.handle.query('spec')).toEqual(normalised(raw));

      const wider = rawSpec(cluster, 'w-1', 'w-2');
      expect(await applyRaw(cluster, wider)).toMatchObject({ result: 'updated', changes: [{ path: 'nodes[w-2]' }] });
      expect(await cluster.handle.query('spec')).toEqual(normalised(wider));
      expect(await applyRaw(cluster, wider)).toMatchObject({ result: 'unchanged' });

      const checks = async () => {
        const { events } = await cluster.handle.fetchHistory();
        const markers = (events ?? []).flatMap(({ markerRecordedEventAttributes: marker }) => marker ?? []);
        const results = markers.map(({ details }) =>
          Buffer.from(details?.['result']?.payloads?.[0]?.data ?? []).toString(),
        );
        return results.filter((result) => !result.includes('"chain"'));
      };
      const long = normalised(rawSpec(cluster, 'w-1', 'w-2', 'w-3'));
      await cluster.apply(long);
      expect((await checks()).at(-1)).toBe('{"ok":true,"spec":null}');
      // A spec in force is not checked again.
      const before = (await checks()).length;
      await cluster.apply(long);
      expect(await checks()).toHaveLength(before);
    }));

  it('takes a bare spec at the start, and specs, refusals and the removal by signal', () =>
    harness.withWorker(async (cluster) => {
      const raw = rawSpec(cluster, 'w-1');
      await startByHand(cluster, raw);
      await cluster.until('the cluster exists', () => true);
      expect(await cluster.handle.query('spec')).toEqual(normalised(raw));
      expect((await cluster.client.history(cluster.name)).requests).toMatchObject([
        { request: 'applySpec', by: expect.any(String), reason: null, result: 'cluster created' },
      ]);
      const { handle } = cluster;
      const wider = rawSpec(cluster, 'w-1', 'w-2');
      await handle.signal('applySpec', wider);
      expect((await cluster.until('w-2 is there', ({ nodes }) => nodes.length === 2)).lastRejection).toBeNull();
      await handle.signal('applySpec', { spec: rawSpec(cluster, 'w-1'), by: 'ann', reason: 'w-2 is gone' });
      await cluster.until('w-2 is gone', ({ nodes }) => nodes.length === 1);
      expect((await cluster.client.history(cluster.name)).requests.at(-1)).toMatchObject({
        ...{ request: 'applySpec', by: 'ann', reason: 'w-2 is gone' },
      });

      const refusalOf = async (send: Promise<void>, part: string) => {
        await send;
        return cluster.until(part, ({ lastRejection }) => lastRejection?.message.includes(part) === true);
      };
      const wrong = { spec: { ...raw, patching: { schedule: 'wekly' } }, by: 'bob' };
      const refused = await refusalOf(handle.signal('applySpec', wrong), 'did you mean "weekly"');
      expect(refused.lastRejection).toMatchObject({ request: 'applySpec', by: 'bob' });
      await refusalOf(handle.signal('applySpec', 'name: x'), 'is text');
      await refusalOf(handle.signal('applySpec', { ...raw, name: 'other' }), 'the spec is for other');
      await refusalOf(handle.signal('pause', {}, {}), 'a message has one, and there are 2');
      await refusalOf(handle.signal('remove', { nodes: ['w-1'] }), 'remove takes no nodes');
      await handle.signal('remove', { by: 'ann' });
      expect(await handle.result()).toMatchObject({ state: 'removing' });
    }));

  it.each([
    ['without a spec', [], 'a cluster starts with its spec as input; send the spec as a JSON object'],
    ['with YAML', ['name: x'], 'the input is text'],
    ['with two inputs', [{}, {}], 'a cluster starts with one input, its spec, and there are 2'],
    ['with fields beside the spec', [{ spec: {}, nodes: [] }], 'unknown field nodes beside spec'],
    ['with an invalid spec', [{ nodes: [] }], 'the spec is not valid: apiVersion: missing'],
  ])('ends a start %s at once, with the reason', (_, args, reason) =>
    harness.withWorker(async (cluster) => {
      await startByHand(cluster, ...args);
      await expect(cluster.handle.result()).rejects.toMatchObject({
        cause: {
          type: 'InvalidSpec',
          message: expect.stringContaining(reason) as string,
          stack: expect.not.stringContaining('bundle') as string,
        },
      });
    }),
  );

  it('says under which workflow id a cluster is started', () =>
    harness.withWorker(async (cluster) => {
      await startByHand(cluster, { ...rawSpec(cluster, 'w-1'), name: 'other' });
      await expect(cluster.handle.result()).rejects.toMatchObject({
        cause: {
          type: 'InvalidSpec',
          message: `cluster other must run as workflow cluster/other, this is cluster/${cluster.name}; start the cluster with the workflow id cluster/other`,
        },
      });
    }));

  it('carries a spec once: in the start of a new cluster, in the update of an existing one', () =>
    harness.withWorker(async (cluster) => {
      const { client } = cluster.env;
      const session = { client, keyIds: [], address: harness.address, namespace: 'default', deadlineMs: 15_000 };
      const api = ClusterClient.of({ ...session, taskQueue: cluster.name }, 'ann');
      const spec = clusterSpec(undefined, {}, cluster.name);
      const copies = async (marker: string): Promise<number> => {
        const { events = [] } = await cluster.handle.fetchHistory();
        const text = Buffer.from(temporal.api.history.v1.History.encode({ events }).finish()).toString('latin1');
        return text.split(marker).length - 1;
      };
      expect(await api.apply(spec, { reason: 'new' })).toMatchObject({ result: 'created' });
      expect(await copies('w-1.example')).toBe(1);
      expect(await api.apply({ ...spec, description: 'another' })).toMatchObject({ result: 'updated' });
      expect(await copies('w-1.example')).toBe(2);
      expect((await api.history(cluster.name)).requests).toMatchObject([
        { request: 'applySpec', by: 'ann', reason: 'new', result: 'cluster created' },
        { request: 'applySpec', by: 'ann', reason: null, result: '1 field changed: description added' },
      ]);
      // An update without a spec to an existing cluster is answered, and leaves no trace.
      await expect(cluster.handle.executeUpdate('applySpec', { args: [{ applyId: 'x' }] })).rejects.toMatchObject({
        cause: { type: 'SpecMissing' },
      });
    }));

  it('rejects an invalid spec with every problem, in the messages of the CLI, and keeps its state', () =>
    harness.withWorker(async (cluster) => {
      await cluster.apply(clusterSpec(undefined, {}, cluster.name));
      const unpinned = { ...rawSpec(cluster), nodes: [{ name: 'w-1', host: 'w-1.example' }] };
      await expect(applyRaw(cluster, unpinned)).rejects.toMatchObject({
        cause: { type: 'InvalidSpec', message: expect.stringContaining('nodes[0].hostKeys: missing') as string },
      });
      const bad = { ...rawSpec(cluster, 'w-1'), patching: { schedule: 'wekly', timeZone: 'Berlin' } };
      const checked = validateSpecObject(bad);
      const problems = checked.ok ? [] : checked.problems;
      expect(problems).toHaveLength(2);
      await expect(applyRaw(cluster, bad)).rejects.toMatchObject({
        cause: { type: 'InvalidSpec', message: `the spec is not valid: ${problems.join('; ')}` },
      });
      const other = { ...rawSpec(cluster, 'w-1'), name: 'other' };
      await expect(applyRaw(cluster, other)).rejects.toMatchObject({ cause: { type: 'Refused' } });
      expect(await cluster.handle.query('spec')).toEqual(clusterSpec(undefined, {}, cluster.name));
    }));

  it('reports to every caller why a cluster cannot start with an invalid spec', () =>
    harness.withWorker(async (cluster) => {
      const bad = { ...clusterSpec(undefined, {}, cluster.name), nodes: [] };
      const { workflow } = cluster.env.client;
      const start = new WithStartWorkflowOperation('cluster', {
        workflowId: clusterWorkflowId(cluster.name),
        taskQueue: cluster.name,
        args: [{ spec: bad, applyId: 'a' }],
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      const message = { spec: bad, applyId: 'a' };
      const applied = workflow.executeUpdateWithStart(applySpecUpdate, {
        startWorkflowOperation: start,
        args: [message],
      });
      await expect(applied).rejects.toMatchObject({ cause: { type: 'InvalidSpec' } });
      await expect(cluster.handle.result()).rejects.toMatchObject({
        cause: { type: 'InvalidSpec', message: expect.stringContaining('nodes') },
      });
    }));

  it('keeps the order of messages that arrive during a check', async () => {
    const specOf = (...nodes: string[]) => ({ spec: clusterSpec(nodes, {}, 'demo') });
    const [created, wider, narrower] = [['w-1'], ['w-1', 'w-2'], ['w-2']].map((nodes) =>
      update(
        'applySpec',
        payloadOf({ ...specOf(...nodes), applyId: nodes.length === 1 && nodes[0] === 'w-1' ? 'a' : 'b' }),
      ),
    ) as [Sent, Sent, Sent];
    const pause = update('pause', payloadOf({ by: 'ann' }));
    const patch = update('patchNow', payloadOf({ nodes: ['w-1'], by: 'bob' }));
    const argument = payloadOf({ ...specOf('w-1'), applyId: 'a' });
    const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', argument);
    const answer = async (activity: string) => {
      const seq = localActivity(workflow.commands, activity);
      return workflow.activate(
        resolved(seq, { admission: ADMITTED, ok: true, spec: null, ahead: null, searchAttributes: [] }),
      );
    };
    // All messages arrive before the first spec is accepted.
    const jobs = [created.job, wider.job, narrower.job, patch.job, pause.job];
    await workflow.activate(...jobs, signal('patchNow', payloadOf({ nodes: ['w-1'], by: 'bob' })));
    expect(jobs.map((_, at) => outcomeOf(workflow.commands, jobs[at]?.doUpdate?.id ?? ''))).toEqual(
      jobs.map(() => undefined),
    );
    await expect(workflow.query('status')).rejects.toThrow('is being checked');

    await answer('checkFirstSpec');
    expect(outcomeOf(workflow.commands, created.id)).toMatchObject({ answer: { result: 'created' } });
    expect(outcomeOf(workflow.commands, wider.id)).toBeUndefined();
    await answer('checkSpec');
    expect(outcomeOf(workflow.commands, wider.id)).toMatchObject({ answer: { changes: [{ path: 'nodes[w-2]' }] } });
    await answer('checkSpec');
    expect(outcomeOf(workflow.commands, narrower.id)).toMatchObject({ answer: { changes: [{ path: 'nodes[w-1]' }] } });
    // The request names a node that existed when sent, and was removed by the spec before.
    expect(outcomeOf(workflow.commands, patch.id)).toMatchObject({
      failure: { message: expect.stringContaining('no such node: w-1') },
    });
    expect(outcomeOf(workflow.commands, pause.id)).toMatchObject({ answer: { paused: true } });
    expect(await workflow.query('status')).toMatchObject({
      state: 'paused',
      lastRejection: { by: 'bob', message: expect.stringContaining('no such node: w-1') },
    });
    await workflow.dispose();
  });

  it('fails the update, and nothing else, when the check itself fails', () => {
    let works = true;
    const unreliable = ({ spec }: { spec?: unknown }) => {
      if (!works) throw new Error('out of memory');
      return Promise.resolve({ ok: true, spec });
    };
    return harness.withWorker(
      async (cluster) => {
        const spec = clusterSpec(['w-1'], {}, cluster.name);
        await cluster.apply(spec);
        works = false;
        await expect(applyRaw(cluster, clusterSpec(['w-2'], {}, cluster.name))).rejects.toMatchObject({
          cause: { type: 'Internal', message: expect.stringContaining('out of memory') },
        });
        await cluster.handle.signal('patchNow');
        expect((await cluster.untilIdle(1)).lastRun).toMatchObject({ patched: 1 });
        expect(await cluster.handle.query('spec')).toEqual(spec);
      },
      { checkSpec: unreliable },
    );
  });
});
