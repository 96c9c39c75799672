import { packState, unpackState } from '../../../src/domain/cluster/packed-state';
import { publishAgainAfterMs, publishedMetrics, rowsPage, wholeRow } from '../../../src/domain/cluster/published';
import {
  finishRun,
  markLost,
  markStarted,
  newClusterState,
  note,
  readNode,
  settleNodes,
  startRun,
} from '../../../src/domain/cluster/state';
import type { ActiveRun, ClusterState } from '../../../src/domain/cluster/state';
import { noteNodeAction } from '../../../src/domain/cluster/node-actions';
import { readPublished, readRowsPage } from '../../../src/exporter/published-form';
import type { NodeReading } from '../../../src/domain/node/status';
import { clusterSpec, runPolicy, settled } from '../../support/builders';

const T0 = '2027-01-01T00:00:00.000Z';
const at = (minutes: number): string => new Date(Date.parse(T0) + minutes * 60_000).toISOString();
const seconds = (minutes: number): number => Date.parse(at(minutes)) / 1_000;

function clusterWithRun(names: string[]): { state: ClusterState; run: ActiveRun } {
  const state = newClusterState(clusterSpec(names), null, T0);
  const run = startRun(state, {
    ...{ number: 1, trigger: 'schedule', startedAt: T0, by: null, reason: null, nodes: names },
    policy: runPolicy(names.length),
  });
  return { state, run };
}

function reading(minutes: number, more: Partial<NodeReading> = {}): NodeReading {
  const { reading: read } = settled('w-1');
  if (read === null) throw new Error('no reading');
  return { ...read, at: at(minutes), ...more };
}

const rowOf = (state: ClusterState, node = 'w-1') =>
  wholeRow(rowsPage(state.nodes, 0).rows.find(([name]) => name === node) ?? [node]);

describe('src/domain/cluster/published', () => {
  it('tells a run from its beginning to its end', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2']);
    expect(publishedMetrics(state).run).toEqual({
      ...{ trigger: 'schedule', startedAt: seconds(0), progressAt: seconds(0) },
      nodes: { waiting: 2, patching: 0 },
    });
    markStarted(state, run, ['w-1'], at(1));
    settleNodes(state, run, [{ ...settled('w-1'), seconds: 240 }], at(5));
    markStarted(state, run, ['w-2'], at(5));
    const { run: published } = publishedMetrics(state);
    expect(published).toMatchObject({ progressAt: seconds(5), nodes: { patched: 1, waiting: 0, patching: 1 } });
    expect(published?.forecastEnd).toBeGreaterThanOrEqual(seconds(9));
    finishRun(state, run, [settled('w-2')], 'succeeded', at(9));
    const after = publishedMetrics(state);
    expect(after.run).toBeUndefined();
    expect(after).toMatchObject({ completedAt: seconds(9), counts: { runs: { 'schedule|succeeded': 1 } } });
  });

  it('says why a run starts no node, and nothing while it does', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2']);
    markStarted(state, run, ['w-1'], at(1));
    expect(publishedMetrics(state).run?.waiting).toBeUndefined();
    markLost(state, run, [{ node: 'w-1', message: 'w-1 is unreachable', workflowRunId: 'r' }], at(40));
    expect(publishedMetrics(state).run).toMatchObject({ waiting: 'lost', nodes: { patching: 1 } });
    expect(publishedMetrics(state).run?.forecastEnd).toBeUndefined();
    state.paused = { at: at(41), by: 'ann', reason: null };
    expect(publishedMetrics(state)).toMatchObject({ paused: true, run: { waiting: 'paused' } });
  });

  it('says what holds a run although nodes have ended since, until one begins', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2', 'w-3']);
    markStarted(state, run, ['w-1'], at(1));
    note(state, { kind: 'limit', run: 1, limit: 'alerts', message: 'an alert fires' }, at(2));
    expect(publishedMetrics(state).run?.waiting).toBeUndefined();
    settleNodes(state, run, [settled('w-1')], at(3));
    expect(publishedMetrics(state).run?.waiting).toBe('gate');
    markStarted(state, run, ['w-2'], at(4));
    settleNodes(state, run, [settled('w-2')], at(5));
    expect(publishedMetrics(state).run?.waiting).toBeUndefined();
  });

  it('is published again only when something has happened', () => {
    const { state } = clusterWithRun(['w-1']);
    expect(JSON.stringify(publishedMetrics(unpackState(packState(state))))).toBe(
      JSON.stringify(publishedMetrics(state)),
    );
    const { revision } = publishedMetrics(state);
    readNode(state, 'w-1', reading(1));
    expect(publishedMetrics(state).revision).not.toBe(revision);
  });

  it('is never as old as what the alert rules take for a run that is stuck, however long the run takes', () => {
    const { state } = clusterWithRun(['w-1']);
    const metrics = publishedMetrics(state);
    const afterMs = (minutes: number): number => publishAgainAfterMs(metrics, Date.parse(at(minutes)));
    expect(publishAgainAfterMs({}, Date.parse(T0))).toBe(5_000);
    expect(afterMs(1)).toBe(5_000);
    expect(afterMs(80)).toBe(60_000);
    // Of three hours, two are left to those nodes that have long steps.
    const longest = Math.max(...[1, 5, 14, 60].map((days) => afterMs(days * 24 * 60)));
    expect(2 * longest).toBe(60 * 60_000);
  });

  it('knows since when a reboot is required and replaced code runs, and forgets both when they are done', () => {
    const state = newClusterState(clusterSpec(['w-1']), null, T0);
    expect(rowOf(state).slice(6)).toEqual([-1, -1, -1, -1, 0, 0]);
    const due = { rebootRequired: true, restartRequired: true as const, outdatedCount: 3 };
    readNode(state, 'w-1', reading(1, { ...due, pendingUpdates: 7, securityUpdates: 2 }));
    readNode(state, 'w-1', reading(60, { ...due, pendingUpdates: null }));
    expect(rowOf(unpackState(packState(state))).slice(5)).toEqual([
      ...[seconds(60), 7, 2, seconds(1), 3, seconds(1), 0],
    ]);
    readNode(state, 'w-1', reading(90, { pendingUpdates: 0, securityUpdates: 0 }));
    expect(rowOf(state).slice(5)).toEqual([seconds(90), 0, 0, 0, 0, 0, 0]);
  });

  it('keeps a cordon that a patch has left until somebody takes it off, or the next patch does', () => {
    const { state, run } = clusterWithRun(['w-1', 'w-2']);
    settleNodes(state, run, [settled('w-1', { outcome: 'failed', cordonedAt: at(3) })], at(5));
    expect(rowOf(unpackState(packState(state)))[11]).toBe(seconds(3));
    noteNodeAction(state, { request: 'uncordon', node: 'w-1', result: 'uncordoned' }, at(6));
    expect(rowOf(state)[11]).toBe(0);
    settleNodes(state, run, [settled('w-2', { outcome: 'failed', cordonedAt: at(7) })], at(8));
    delete run.done['w-2'];
    settleNodes(state, run, [settled('w-2')], at(9));
    expect(rowOf(state, 'w-2')[11]).toBe(0);
  });

  it('is small, with the rows of a few nodes, and leaves out those of many', () => {
    const few = clusterWithRun(['w-1', 'w-2', 'w-3']).state;
    expect(publishedMetrics(few).rows?.rows).toHaveLength(3);
    const names = Array.from({ length: 5_000 }, (_, n) => `worker-${n}.rack-${n % 40}.example.org`);
    const many = newClusterState(clusterSpec(names), null, T0);
    const text = JSON.stringify(publishedMetrics(many));
    expect(text.length).toBeLessThan(1_500);
    expect(publishedMetrics(many).rows).toBeUndefined();
    const page = readRowsPage(JSON.parse(JSON.stringify(rowsPage(many.nodes, 0))));
    expect(page).toMatchObject({ next: null, revision: publishedMetrics(many).revision });
    expect(page?.rows).toHaveLength(5_000);
  });

  it('answers in pages when names are long', () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `${'n'.repeat(240)}-${n}`);
    const { nodes } = newClusterState(clusterSpec(names), null, T0);
    const seen: string[] = [];
    let pages = 0;
    for (let from: number | null = 0; from !== null;) {
      const page = rowsPage(nodes, from);
      expect(JSON.stringify(page).length).toBeLessThan(1024 * 1024);
      seen.push(...page.rows.map(([name]) => name));
      from = page.next;
      pages += 1;
    }
    expect(seen).toEqual(names);
    expect(pages).toBeGreaterThan(1);
  });

  it('is read back as it was published, and is nothing when somebody has changed its form', () => {
    const metrics = publishedMetrics(clusterWithRun(['w-1']).state);
    const stored: unknown = JSON.parse(JSON.stringify(metrics));
    expect(readPublished(stored)).toEqual(metrics);
    for (const wrong of [null, 'x', {}, { ...metrics, v: 2 }, { ...metrics, states: { idle: 'many' } }])
      expect(readPublished(wrong)).toBeNull();
    expect(readRowsPage({ rows: [['w-1', 'x']], texts: [], revision: '', next: null })).toBeNull();
  });
});
