/** Who did what, when and why: kept of every signal and update of a cluster, also after it has continued as new. */
import type { SignalDefinition } from '@temporalio/common';
import * as contract from '../../../src/contract/messages';
import type { ClusterEvent, EventsPage } from '../../../src/domain/cluster/event-pages';
import type { ClusterHistory } from '../../../src/domain/cluster/messages';
import { packState } from '../../../src/domain/cluster/packed-state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import { newClusterState, settleNodes, startRun } from '../../../src/domain/cluster/state';
import { clusterSpec, runPolicy, settled, windowAt } from '../../support/builders';
import type { Command } from '../sandboxed-workflow';
import {
  SandboxedWorkflow,
  TEST_IDENTITY,
  outcomeOf,
  payloadOf,
  resolved,
  signal,
  update,
  valueOf,
} from '../sandboxed-workflow';

const T0 = '2027-01-04T00:00:00.000Z';
const NAMES = ['w-1', 'w-2', 'w-3'];
const SPEC = clusterSpec(NAMES);
const BEFORE = { at: T0, by: 'zoe', reason: null };

/** Between workflows, or from users to other workflows than a cluster. */
const NOT_OF_CLUSTERS = [
  ...['runProgress', 'nodeAction', 'restrict', 'forbidReboots', 'window', 'requestOutage', 'answerOutage'],
  ...['reportEnd', 'nodeUnreachable', 'nodeEnded', 'release', 'withdraw', 'notified', 'report'],
];

/** A run of which one node has failed, and which nobody goes on with. */
function pausedInRun(state: ClusterState): void {
  const run = startRun(state, {
    ...{ number: 1, trigger: 'on-demand', startedAt: T0, by: null, reason: null, nodes: NAMES, policy: runPolicy(3) },
  });
  const failed = settled('w-1', { outcome: 'failed', error: { type: 'Internal', message: 'no' }, workflowRunId: 'r' });
  settleNodes(state, run, [failed], T0);
  run.suspended = { settled: [failed], failures: 1 };
  state.paused = BEFORE;
}

function queued(state: ClusterState): void {
  state.request = { id: 'r', nodes: null, ...BEFORE };
  state.paused = BEFORE;
}

function locked(state: ClusterState): void {
  state.nodes = state.nodes.map((node) =>
    node.kind === 'node' ? { ...node, lock: { ...BEFORE, until: null } } : node,
  );
}

function inWindow(state: ClusterState): void {
  state.paused = BEFORE;
  state.schedule.open = windowAt('2027-01-04T11:00:00.000Z', { end: '2027-01-04T15:00:00.000Z' });
}

interface Row {
  input: object;
  before?: (state: ClusterState) => void;
  /** What the event says beside the name of the command. */
  says: RegExp;
  node?: string;
}

const MESSAGES: Readonly<Record<string, Row>> = {
  patchNow: { input: { notBefore: '2027-02-01T00:00:00Z' }, says: /^run 1, waits for/ },
  pause: { input: {}, says: /^no run and no node is started until a resume$/ },
  resume: { input: {}, before: (state) => (state.paused = BEFORE), says: /^runs and nodes are started again$/ },
  cancelRun: { input: {}, before: queued, says: /^run 1$/ },
  applySpec: {
    input: { spec: { ...SPEC, patching: { ...SPEC.patching, patchOnBoot: true } } },
    says: /^1 field changed: patching.patchOnBoot false -> true$/,
  },
  remove: { input: {}, says: /^at once$/ },
  skip: { input: { node: 'w-1' }, before: pausedInRun, node: 'w-1', says: /^the failure of w-1 no longer counts/ },
  retry: { input: { node: 'w-1' }, before: pausedInRun, node: 'w-1', says: /^w-1 waits for another turn in run 1$/ },
  setConcurrency: {
    input: { concurrency: 2 },
    before: pausedInRun,
    says: /^run 1 patches at most 2 at the same time$/,
  },
  setMaxFailures: { input: { maxFailures: 1 }, before: pausedInRun, says: /^at most 1 of run 1 may fail$/ },
  extendWindow: { input: { duration: '30m' }, before: inWindow, says: /ends at 2027-01-04T15:30:00Z instead of/ },
  lock: { input: { node: 'w-2', reason: 'lock' }, node: 'w-2', says: /^no run patches w-2 until it is unlocked$/ },
  unlock: { input: { node: 'w-2' }, before: locked, node: 'w-2', says: /^w-2 is patched again by the runs/ },
};

const COMMANDS: Readonly<Record<string, string>> = {
  patchNow: 'patch',
  cancelRun: 'cancel',
  applySpec: 'apply',
  setConcurrency: 'set-concurrency',
  setMaxFailures: 'set-max-failures',
  extendWindow: 'extend-window',
};

/** Answers the local activities of the workflow until it has none. */
async function settle(workflow: SandboxedWorkflow, first: readonly Command[]): Promise<Command[]> {
  const all = [...first];
  for (let commands = first; ; all.push(...commands)) {
    const asked = commands.flatMap(({ scheduleLocalActivity }) => scheduleLocalActivity ?? []);
    if (asked.length === 0) return all;
    const answers = asked.map(({ seq, activityType }) =>
      resolved(
        seq ?? 0,
        activityType === 'checkSpec'
          ? { ok: true, spec: null }
          : activityType === 'searchAttributes' || activityType === 'notificationDefaults'
            ? []
            : { windows: [], removed: [], blackouts: [], until: null },
      ),
    );
    commands = await workflow.activate(...answers);
  }
}

async function begin(name: string): Promise<SandboxedWorkflow> {
  const state = newClusterState(SPEC, null, T0, { windows: [], removed: [], blackouts: [], until: null });
  MESSAGES[name]?.before?.(state);
  const workflow = await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf({ state: packState(state) }));
  await settle(workflow, await workflow.activate());
  return workflow;
}

/** Sends the message and returns what is kept of it; of all but a removal, after the cluster has continued as new. */
async function kept(
  name: string,
  kind: 'signal' | 'update',
  input: object,
): Promise<{ event: ClusterEvent | undefined; request: ClusterHistory['requests'][number] | undefined }> {
  const workflow = await begin(name);
  const { id, job } = update(name, payloadOf(input));
  workflow.continueAsNewSuggested = true;
  const commands = await settle(
    workflow,
    await workflow.activate(kind === 'update' ? job : signal(name, payloadOf(input))),
  );
  if (kind === 'update') expect(outcomeOf(commands, id)?.failure).toBeUndefined();
  const next = commands.flatMap((one) => one.continueAsNewWorkflowExecution ?? []);
  expect(next).toHaveLength(name === 'remove' ? 0 : 1);
  const [argument] = next[0]?.arguments ?? [];
  const after =
    argument === undefined
      ? workflow
      : await SandboxedWorkflow.create('cluster/demo', 'cluster', payloadOf(valueOf(argument)));
  if (after !== workflow) await after.activate();
  const { events } = (await after.query('events', payloadOf({}))) as EventsPage;
  const { requests } = (await after.query('history')) as ClusterHistory;
  await Promise.all([...new Set([workflow, after])].map((one) => one.dispose()));
  return { event: events.findLast((one) => one.kind === 'action'), request: requests.at(-1) };
}

function namesOf(type: 'signal' | 'update'): string[] {
  const all = Object.values(contract) as unknown as Partial<SignalDefinition>[];
  const names = all.flatMap((one) => ((one.type as string | undefined) === type ? [String(one.name)] : []));
  return names.filter((name) => !NOT_OF_CLUSTERS.includes(name)).sort();
}

const table = Object.keys(MESSAGES).flatMap((name) =>
  (['signal', 'update'] as const).map((kind) => [name, kind] as const),
);

describe('src/workflows/cluster: the audit trail', () => {
  it.each(['signal', 'update'] as const)('knows every %s of the contract', (type) => {
    expect(namesOf(type)).toEqual(Object.keys(MESSAGES).sort());
  });

  it.each(table)('keeps who sent %s as %s, when and why', async (name, kind) => {
    const { input, says, node } = MESSAGES[name] ?? { input: {}, says: /never/ };
    const { event, request } = await kept(name, kind, { ...input, by: 'ann', reason: 'CVE-1' });
    const command = COMMANDS[name] ?? name;
    expect(event).toMatchObject({ request: name, by: 'ann', reason: 'CVE-1', nodes: node === undefined ? [] : [node] });
    expect(event?.message.startsWith(`${command}: `)).toBe(true);
    expect(event?.message.slice(command.length + 2)).toMatch(says);
    expect(request).toMatchObject({ request: name, by: 'ann', reason: 'CVE-1', result: expect.stringMatching(says) });
    const at = Date.parse(event?.at ?? '') - Date.parse('2027-01-04T12:00:00Z');
    expect(at > 0 && at < 60_000 && request?.at === event?.at).toBe(true);
  });

  it.each(table)('names the client that sent %s as %s without by', async (name, kind) => {
    const { event } = await kept(name, kind, MESSAGES[name]?.input ?? {});
    expect(event).toMatchObject({ request: name, by: TEST_IDENTITY });
  });

  it('takes a sender for what the client calls itself also when the message waits for another one', async () => {
    const workflow = await begin('pause');
    const spec = { ...SPEC, patching: { ...SPEC.patching, patchOnBoot: true } };
    const from = (identity: string, name: string, input: object): object => ({
      signalWorkflow: { signalName: name, input: [payloadOf(input)], identity },
    });
    const commands = await workflow.activate(
      from('4711@ci', 'applySpec', { spec }),
      from('temporal-cli:bob@laptop', 'pause', { by: '  ', reason: '' }),
      from('', 'lock', { node: 'w-1', reason: 'x' }),
      from(`\u001b[31m${'x'.repeat(2_000)}`, 'unlock', { node: 'w-1' }),
      from('temporal-cli:bob@laptop', 'patchNow', { nodes: 7 }),
    );
    await settle(workflow, commands);
    const { events } = (await workflow.query('events')) as EventsPage;
    expect(events.slice(-5).map(({ request, by, reason }) => [request, by, reason])).toEqual([
      ['applySpec', '4711@ci', null],
      ['pause', 'temporal-cli:bob@laptop', null],
      ['lock', 'an unnamed user', 'x'],
      ['unlock', expect.stringMatching(/^\[31mx{90,95}…$/), null],
      ['patchNow', 'temporal-cli:bob@laptop', null],
    ]);
    await workflow.dispose();
  });

  it('keeps the reason of a cancel request, and whose it is not', async () => {
    const workflow = await begin('remove');
    const commands = await settle(workflow, await workflow.activate({ cancelWorkflow: { reason: 'moved' } }));
    expect(commands.some((one) => one.completeWorkflowExecution)).toBe(true);
    const { events } = (await workflow.query('events')) as EventsPage;
    expect(events.at(-1)).toMatchObject({
      ...{ request: 'remove', message: 'remove: at once', by: 'a cancel request in Temporal', reason: 'moved' },
    });
    await workflow.dispose();
  });
});
