/** Attacks on the requests of a cluster whose worker requires verified persons: a real server, real signatures. */
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils';
import Long from 'long';
import { randomUUID } from 'node:crypto';
import type { WorkflowFailedError } from '@temporalio/client';
import { createClusterActivities } from '../../src/activities/cluster';
import type { AdmissionRules } from '../../src/activities/admission-rules';
import { AdmissionDesk } from '../../src/activities/admission';
import { WorkflowEnds } from '../../src/activities/workflow-ends';
import { auditHistories } from '../../src/client/audit';
import { ClusterClient } from '../../src/client/cluster-client';
import { signedMessage, signerWith } from '../../src/client/signed-message';
import { nodeWorkflowId, runWorkflowId } from '../../src/contract/workflow-ids';
import type { Message, PatchNowMessage } from '../../src/domain/cluster/messages';
import { packState } from '../../src/domain/cluster/packed-state';
import { newClusterState } from '../../src/domain/cluster/state';
import { waitFor } from '../support/wait-for';
import type { AdmissionRequest } from '../../src/contract/activities/cluster';
import { signedText } from '../../src/domain/cluster/signed-text';
import { signText } from '../../src/signatures/sign';
import { SigningKeys } from '../support/signing-keys';
import { clusterSpec } from '../support/builders';
import type { TestCluster } from '../workflows/harness';
import { Harness } from '../workflows/harness';

let harness: Harness;
const keys = new SigningKeys();
let alice = '';
let mallory = '';

beforeAll(async () => {
  alice = keys.add('alice');
  mallory = keys.add('mallory');
  keys.list('alice@example.com', alice);
  harness = await Harness.start('real');
});

afterAll(async () => {
  await harness.stop();
  keys.remove();
});

const VERIFIED = ['apply', 'patch', 'remove', 'ignore-window', 'recover'];

interface Worker {
  rules: AdmissionRules;
  audit: Record<string, unknown>[];
}

/** A worker with a policy that a test may change. */
function worker(verified: string[] = VERIFIED): Worker & { activities: object } {
  const policy = { signers: keys.signers, verified };
  const rules: AdmissionRules = { encryptionRequired: false, policyFor: () => policy };
  const audit: Record<string, unknown>[] = [];
  const log = { info: (fields: Record<string, unknown>) => void audit.push(fields) };
  const { admit, checkFirstSpec } = createClusterActivities(log, new WorkflowEnds(), null, rules);
  return { rules, audit, activities: { admit, checkFirstSpec } };
}

/** The client of a person who signs with `key`. */
function clientOf(cluster: TestCluster, key: string): ClusterClient {
  const session = {
    ...{ client: cluster.env.client, keyIds: [], address: '', namespace: 'default', deadlineMs: 15_000 },
    ...{ taskQueue: cluster.name, sign: signerWith(key) },
  };
  return ClusterClient.of(session, 'alice@laptop');
}

function signed<M extends Message>(
  { name }: TestCluster,
  verb: string,
  message: M,
  { key = alice, namespace = 'default', cluster = name } = {},
): Promise<M> {
  return signedMessage({ namespace, cluster, verb }, message, signerWith(key));
}

/** As somebody whose clock is wrong signs, or who has waited. */
async function signedAt(cluster: TestCluster, verb: string, message: Message, at: number): Promise<Message> {
  const sent = { requestId: randomUUID(), ...message };
  const time = new Date(at).toISOString();
  const text = signedText({ namespace: 'default', cluster: cluster.name, verb, time }, sent);
  return { ...sent, signature: { time, value: await signText(alice, text) } };
}

/** The reason why a signal was refused. */
async function refusalOf(cluster: TestCluster, signal: string, ...input: unknown[]): Promise<string> {
  const before = (await cluster.client.events(cluster.name)).last;
  await cluster.handle.signal(signal, ...input);
  for (;;) {
    const { events } = await cluster.client.events(cluster.name, { since: before });
    const [event] = events;
    if (event !== undefined) return event.message;
    await cluster.env.sleep('50 ms');
  }
}

const paused = (cluster: TestCluster) => cluster.client.pause(cluster.name);

describe('src/workflows/cluster/admission', () => {
  it('carries out what a verified person asks for, and says who that is', () => {
    const { activities } = worker();
    return harness.withWorker(async (cluster) => {
      const client = clientOf(cluster, alice);
      expect(await client.apply(clusterSpec(undefined, {}, cluster.name), { reason: 'new' })).toMatchObject({
        result: 'created',
      });
      await client.patch(cluster.name, { nodes: ['w-1'] });
      const status = await cluster.untilIdle(1);
      expect(status.lastRun).toMatchObject({ by: 'alice@example.com', verified: true, outcome: 'succeeded' });
      await paused(cluster);
      expect((await cluster.status()).paused).toMatchObject({ by: 'ann', verified: false });
      const { requests } = await client.history(cluster.name);
      expect(requests).toMatchObject([
        { request: 'applySpec', by: 'alice@example.com', verified: true, reason: 'new', result: 'cluster created' },
        { request: 'patchNow', by: 'alice@example.com', verified: true },
        { request: 'pause', by: 'ann', verified: false },
      ]);
      await client.remove(cluster.name);
      await client.untilRemoved(cluster.name);
    }, activities);
  });

  it('refuses what nobody has signed, by update, signal, start and cancellation', () => {
    const { activities, audit } = worker();
    return harness.withWorker(async (cluster) => {
      const { client, name } = cluster;
      const needs = (verb: string) =>
        `requires a verified person for ${verb} on ${name}, and the request is not signed`;
      const spec = clusterSpec(undefined, {}, name);
      await expect(client.apply(spec)).rejects.toMatchObject({ message: expect.stringContaining(needs('apply')) });
      await clientOf(cluster, alice).apply(spec);
      await expect(client.apply(clusterSpec(['w-1'], {}, name))).rejects.toMatchObject({
        type: 'Denied',
        message: expect.stringContaining(needs('apply')),
      });
      expect(await refusalOf(cluster, 'applySpec', clusterSpec(['w-1'], {}, name))).toContain(needs('apply'));
      await expect(client.patch(name)).rejects.toMatchObject({ message: expect.stringContaining(needs('patch')) });
      expect(await refusalOf(cluster, 'patchNow')).toContain(needs('patch'));
      expect(await refusalOf(cluster, 'patchNow', { by: 'alice@example.com (verified)' })).toContain(needs('patch'));
      expect(await refusalOf(cluster, 'remove')).toContain(needs('remove'));
      await cluster.handle.cancel();
      await cluster.until(
        'the cancellation is refused',
        ({ lastRejection }) => lastRejection?.by === 'a cancel request in Temporal',
      );
      expect(await cluster.status()).toMatchObject({ state: 'idle', run: null, queued: [], nodes: { length: 3 } });
      expect(cluster.nodes.order).toEqual([]);
      expect((await client.status(name)).lastRejection).toMatchObject({ verified: false });
      expect(audit.filter(({ ok }) => ok === false).map(({ request }) => request)).toEqual(
        expect.arrayContaining(['apply', 'patch', 'remove']),
      );
    }, activities);
  });

  it('refuses a state that somebody starts the cluster with', () => {
    const { activities } = worker();
    return harness.withWorker(async (cluster) => {
      const state = newClusterState(clusterSpec(undefined, {}, cluster.name), null, new Date().toISOString());
      const start = (more: object) =>
        cluster.env.client.workflow.start('cluster', {
          ...{ workflowId: `cluster/${cluster.name}`, taskQueue: cluster.name },
          ...{
            args: [
              {
                state: packState({
                  ...state,
                  request: { id: 'r', at: state.createdAt, nodes: null, by: 'm', reason: null },
                }),
              },
            ],
          },
          ...more,
        });
      await expect((await start({})).result()).rejects.toMatchObject({
        cause: { type: 'Refused', message: expect.stringContaining('for recover') },
      });
      // A cron schedule starts the workflow again after a failure, with the same argument.
      const cron = await start({ cronSchedule: '@every 1s', workflowExecutionTimeout: '20s' });
      const failed = async () => {
        const ends: string[] = [];
        const query = `WorkflowId = "cluster/${cluster.name}" AND ExecutionStatus = "Failed"`;
        for await (const { runId } of cluster.env.client.workflow.list({ query })) ends.push(runId);
        return ends.length >= 3;
      };
      await waitFor(failed, { what: 'the refusal of what Cron has started' });
      await cron.terminate();
      expect(cluster.nodes.order).toEqual([]);
    }, activities);
  });

  it('refuses signatures of another person, cluster, namespace, verb, time or message, and each a second time', () => {
    const { activities } = worker();
    return harness.withWorker(async (cluster) => {
      const { name } = cluster;
      const client = clientOf(cluster, alice);
      await client.apply(clusterSpec(undefined, {}, name));
      const wrong = 'the signature of the request is wrong';
      const message: PatchNowMessage = { by: 'alice', nodes: ['w-1'] };
      const good = await signed(cluster, 'patch', message);
      const changed = async (fields: object): Promise<string> => refusalOf(cluster, 'patchNow', { ...good, ...fields });
      expect(await refusalOf(cluster, 'patchNow', await signed(cluster, 'patch', message, { key: mallory }))).toContain(
        'counts for nobody: its key is not in the list of signers',
      );
      expect(
        await refusalOf(cluster, 'patchNow', await signed(cluster, 'patch', message, { cluster: 'other' })),
      ).toContain(wrong);
      expect(
        await refusalOf(cluster, 'patchNow', await signed(cluster, 'patch', message, { namespace: 'other' })),
      ).toContain(wrong);
      expect(await refusalOf(cluster, 'patchNow', await signed(cluster, 'pause', message))).toContain(wrong);
      expect(await changed({ nodes: ['w-1', 'w-2'] })).toContain(wrong);
      expect(await changed({ ignoreWindow: true })).toContain(wrong);
      expect(await changed({ by: 'bob' })).toContain(wrong);
      expect(await changed({ requestId: 'another' })).toContain(wrong);
      const { value, time } = good.signature ?? { value: '', time: '' };
      expect(await changed({ signature: { value, time: new Date(Date.parse(time) + 1).toISOString() } })).toContain(
        wrong,
      );
      expect(await changed({ signature: { value: 'x', time } })).toContain('signature is an object; allowed');
      await expect(cluster.handle.executeUpdate('remove', { args: [good] })).rejects.toThrow();

      await cluster.handle.executeUpdate('patchNow', { args: [good] });
      await cluster.untilIdle(1);
      expect(await refusalOf(cluster, 'patchNow', good)).toContain('was received before; a signed request counts once');
      await expect(cluster.handle.executeUpdate('patchNow', { args: [good] })).rejects.toMatchObject({
        cause: { type: 'Denied' },
      });
      // A request that was refused for another reason is used up too: it does not wait for a better moment.
      await client.pause(name);
      const early = await signed(cluster, 'patch', message);
      expect(await refusalOf(cluster, 'patchNow', early)).toContain('resume it first');
      await client.resume(name);
      expect(await refusalOf(cluster, 'patchNow', early)).toContain('was received before');
      expect((await cluster.status()).lastRun?.number).toBe(1);
    }, activities);
  });

  it('takes a changed list of signers and a changed policy at once, and no request while it cannot be read', () => {
    const { activities, rules } = worker();
    return harness.withWorker(async (cluster) => {
      const { name } = cluster;
      const client = clientOf(cluster, alice);
      await client.apply(clusterSpec(undefined, {}, name));
      const second = clientOf(cluster, mallory);
      await expect(second.patch(name)).rejects.toMatchObject({ type: 'Denied' });
      keys.list('mallory@example.com', mallory, 'valid-before="20200101"');
      await expect(second.patch(name)).rejects.toMatchObject({ message: expect.stringContaining('key has expired') });
      keys.list('mallory@example.com', mallory, 'namespaces="git"');
      await expect(second.patch(name)).rejects.toMatchObject({ type: 'Denied' });
      keys.list('mallory@example.com', mallory);
      await second.pause(name);
      expect((await cluster.status()).paused).toMatchObject({ by: 'mallory@example.com', verified: true });
      keys.unlist('mallory@example.com');
      // What needs nobody verified is taken from anybody, but not under a name that was only claimed to be verified.
      await second.resume(name);
      expect((await client.history(name)).requests.at(-1)).toMatchObject({ request: 'resume', verified: false });
      const { policyFor } = rules;
      rules.policyFor = () => {
        throw new Error('the policy cannot be read');
      };
      await expect(client.pause(name)).rejects.toMatchObject({
        message: expect.stringMatching(/nobody could check who sends this: .*the policy cannot be read/),
      });
      rules.policyFor = () => null;
      await cluster.client.pause(name);
      rules.policyFor = policyFor;
      expect((await cluster.status()).paused).toMatchObject({ by: 'ann' });
      expect((await cluster.status()).paused).not.toHaveProperty('verified');
      rules.encryptionRequired = true;
      await expect(client.resume(name)).rejects.toMatchObject({ message: expect.stringContaining('encrypted') });
    }, activities);
  });

  it('counts the age of a request up to the moment when the server received it, however long no worker was there', () => {
    const { activities, rules } = worker();
    let late = 0;
    const desk = new AdmissionDesk(rules, { info: () => undefined }, () => Date.now() + late);
    const admit = (request: AdmissionRequest) => desk.admit(request);
    return harness.withWorker(
      async (cluster) => {
        const { name } = cluster;
        const client = clientOf(cluster, alice);
        await client.apply(clusterSpec(undefined, {}, name));
        const old = await signedAt(cluster, 'pause', { by: 'alice' }, Date.now() - 11 * 60_000);
        expect(await refusalOf(cluster, 'pause', old)).toMatch(/was signed at .*, more than 10 min before it was sent/);
        const early = await signedAt(cluster, 'pause', { by: 'alice' }, Date.now() + 5 * 60_000);
        expect(await refusalOf(cluster, 'pause', early)).toContain('which is in the future');
        late = 2 * 3_600_000;
        await cluster.handle.signal('pause', await signed(cluster, 'pause', { by: 'alice', reason: 'waited' }));
        const { paused: pause } = await cluster.until('the signal counts', (status) => status.paused !== null);
        expect(pause).toMatchObject({ by: 'alice@example.com', verified: true });
        // An update waits for nobody.
        await expect(client.resume(name)).rejects.toMatchObject({
          message: expect.stringContaining('more than 10 min'),
        });
      },
      { ...activities, admit },
    );
  });

  it('does not take requests for an earlier cluster of the same name', () => {
    const { activities } = worker();
    return harness.withWorker(async (cluster) => {
      const { name } = cluster;
      const client = clientOf(cluster, alice);
      const spec = clusterSpec(undefined, {}, name);
      await client.apply(spec);
      const old = await signed<PatchNowMessage>(cluster, 'patch', { nodes: ['w-1'] });
      await client.remove(name);
      await client.untilRemoved(name);
      await client.apply(spec);
      expect(await refusalOf(cluster, 'patchNow', old)).toContain('is older than this cluster');
      // Nor is the cluster created a second time with the request that has created it.
      const { events } = await cluster.handle.fetchHistory();
      const started = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
      const argument: unknown = JSON.parse(Buffer.from(started?.data ?? []).toString());
      await client.remove(name);
      await client.untilRemoved(name);
      const copy = { workflowId: `cluster/${name}`, taskQueue: name, args: [argument] };
      await expect(
        waitFor(
          async () => {
            const again = await cluster.env.client.workflow.start('cluster', copy);
            const end = await Promise.race([
              again.result().catch((error: WorkflowFailedError) => error.cause?.message ?? ''),
              cluster.env.sleep('2 seconds').then(() => again.terminate()),
            ]);
            return typeof end === 'string' && end;
          },
          { what: 'the refusal of a copy, once Temporal lists the first' },
        ),
      ).resolves.toContain('was started with this very request before');
    }, activities);
  });

  it('refuses runs and node patches that somebody starts by hand, and keeps no refused message in a recovery', () => {
    const { activities } = worker();
    return harness.withWorker(async (cluster) => {
      const { name } = cluster;
      const client = clientOf(cluster, alice);
      await client.apply(clusterSpec(undefined, {}, name));
      const { createdAt } = await cluster.status();
      for (const [type, workflowId] of [
        ['run', runWorkflowId(name, createdAt, 9)],
        ['patchNode', nodeWorkflowId(name, 'w-1')],
      ] as const) {
        const started = await cluster.env.client.workflow.start(type, { workflowId, taskQueue: name, args: [{}] });
        await expect(started.result()).rejects.toMatchObject({
          cause: { type: 'Denied', message: expect.stringContaining('requires a verified person for patch') },
        });
      }
      expect(await refusalOf(cluster, 'applySpec', clusterSpec(['w-1'], {}, name))).toContain('for apply');
      await client.steer(name, 'lock', { node: 'w-2', reason: 'disk' });
      await expect(cluster.client.recover(name, { waitMs: 0 })).resolves.toMatchObject({
        kept: [{ name: 'lock' }],
        lost: [],
      });
      await expect(cluster.handle.result()).rejects.toMatchObject({
        cause: { message: expect.stringContaining('requires a verified person for recover') },
      });
      expect(await client.recover(name, { waitMs: 0 })).toMatchObject({ kept: [], lost: [] });
      const status = await cluster.until('the cluster is back', () => true);
      expect(status.nodes.find((node) => node.name === 'w-2')).toMatchObject({
        lock: { by: 'alice@example.com', verified: true },
      });
      // What was signed before the recovery counts no more, and what is signed now does.
      await client.pause(name);
    }, activities);
  });

  it('leaves a history that can be verified offline, in which each changed byte of a message is found', () => {
    const { activities } = worker(['apply', 'patch']);
    return harness.withWorker(async (cluster) => {
      const { name } = cluster;
      const client = clientOf(cluster, alice);
      await client.apply(clusterSpec(undefined, {}, name), { reason: 'new' });
      await client.steer(name, 'lock', { node: 'w-1', reason: 'disk' });
      await cluster.client.pause(name, { reason: 'freeze' });
      await refusalOf(cluster, 'patchNow', { by: 'mallory', reason: 'now' });
      await refusalOf(cluster, 'patchNow', await signed(cluster, 'patch', { reason: 'mine' }, { key: mallory }));
      await client.remove(name);
      await client.untilRemoved(name);
      const report = await client.audit(name, keys.signers);
      expect(report).toMatchObject({ executions: 1, problems: [] });
      expect(
        report.requests.map(({ request, by, principal, verdict, decision }) => [
          request,
          by,
          principal,
          verdict,
          decision,
        ]),
      ).toEqual([
        ['apply', 'alice@laptop', 'alice@example.com', 'verified', 'admitted'],
        ['apply', null, null, 'unsigned', 'none'],
        ['lock', 'alice@laptop', 'alice@example.com', 'verified', 'admitted'],
        ['pause', 'ann', null, 'unsigned', 'admitted'],
        ['patch', 'mallory', null, 'unsigned', 'refused'],
        ['patch', null, null, 'unknown', 'refused'],
        ['remove', 'alice@laptop', 'alice@example.com', 'verified', 'admitted'],
      ]);
      const history = await cluster.handle.fetchHistory();
      const text = historyToJSON(history);
      const auditOf = async (changed: string) => {
        const converter = cluster.env.client.options.loadedDataConverter;
        const found = await auditHistories([historyFromJSON(JSON.parse(changed))], {
          ...{ cluster: name, namespace: 'default', signers: keys.signers, converter },
        });
        return found.problems.length + found.requests.filter(({ verdict }) => verdict === 'invalid').length;
      };
      expect(await auditOf(text)).toBe(0);
      // One byte of each message and each answer, in its place or elsewhere.
      const payloads = [...text.matchAll(/"data": *"([A-Za-z0-9+/=]+)"/g)].filter(([, data = '']) =>
        /^\{(?!"paused"|"cluster").*"(requestId|reason|chain|applyId)"/.test(Buffer.from(data, 'base64').toString()),
      );
      expect(payloads.length).toBeGreaterThan(10);
      for (const { 1: data = '', index } of payloads) {
        const bytes = Buffer.from(data, 'base64');
        const at = bytes.indexOf(/"reason":"/.test(bytes.toString()) ? '"reason":"' : '":"') + '"reason":"'.length + 1;
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        const changed = text.slice(0, index) + text.slice(index).replace(data, bytes.toString('base64'));
        expect([bytes.toString(), await auditOf(changed)]).not.toEqual([bytes.toString(), 0]);
      }
      // All answers are left out, so that nothing contradicts a changed message.
      const numbered = (kept: typeof history.events) =>
        historyToJSON({
          events: (kept ?? []).map((event, index) => ({ ...event, eventId: Long.fromNumber(index + 1) })),
        });
      expect(
        await auditOf(numbered(history.events?.filter((event) => !event.markerRecordedEventAttributes))),
      ).toBeGreaterThan(0);
      // A message is left out, with its answer.
      const events = history.events ?? [];
      const pause = events.findIndex(
        (event) => event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.name === 'pause',
      );
      const without = events
        .filter((_, index) => index !== pause)
        .map((event, index) => ({ ...event, eventId: Long.fromNumber(index + 1) }));
      expect(await auditOf(historyToJSON({ events: without }))).toBeGreaterThan(0);
    }, activities);
  });
});
