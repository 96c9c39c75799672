import type { ClusterSnapshot } from '../../src/exporter/cluster-series';
import { shownLabel } from '../../src/exporter/exposition';
import { MetricsPage } from '../../src/exporter/page';
import type { FleetReading } from '../../src/exporter/read-clusters';
import type { PublishedMetrics } from '../../src/domain/cluster/published';

const NOW = 1_800_000_000_000;

function metrics(more: Partial<PublishedMetrics> = {}): PublishedMetrics {
  return {
    ...{ v: 1, createdAt: '2027-01-01T00:00:00.000Z', state: 'idle', ready: true, windows: [], states: {} },
    revision: 'r',
    ...more,
  };
}

function cluster(name: string, more: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  return { name, fault: null, metrics: metrics(), rows: null, ...more };
}

function reading(clusters: ClusterSnapshot[], more: Partial<FleetReading> = {}): FleetReading {
  return { clusters, unreadable: 0, removed: [], cordoned: [], sites: [], ...more };
}

const shown = (page: MetricsPage, nowMs = NOW): string => Buffer.concat(page.render(nowMs)).toString();

function linesOf(page: MetricsPage, name: string, nowMs = NOW): string[] {
  return shown(page, nowMs)
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

async function pageOf(...clusters: ClusterSnapshot[]): Promise<MetricsPage> {
  const page = new MetricsPage('1.2.3');
  await page.update(reading(clusters), NOW);
  return page;
}

describe('src/exporter/page', () => {
  it('shows no cluster before it has read one, and never zeros instead', async () => {
    const page = new MetricsPage('1.2.3');
    expect(shown(page)).toContain('ospatch_up 0\n');
    expect(shown(page)).toContain('ospatch_build_info{version="1.2.3"} 1\n');
    expect(shown(page)).not.toMatch(/ospatch_(?:cluster|exporter|site|run|node)/);
  });

  it('keeps the last values while Temporal is away', async () => {
    const page = await pageOf(cluster('prod', { metrics: metrics({ counts: { runs: { 'boot|failed': 3 } } }) }));
    const before = linesOf(page, 'ospatch_runs_total');
    page.noteFailure();
    expect(shown(page)).toContain('ospatch_up 0\n');
    expect(linesOf(page, 'ospatch_runs_total')).toEqual(before);
    expect(before).toContain('ospatch_runs_total{cluster="prod",trigger="boot",outcome="failed"} 3');
    expect(linesOf(page, 'ospatch_exporter_last_success_timestamp_seconds')[0]).toMatch(/ 1800000000$/);
  });

  it('has counters at 0 before anything is counted, so that the first failure is growth', async () => {
    const counts = { runs: { 'boot|failed': 1 }, notifications: { 'ops|failed': 1 }, gates: { 'alerts|pass': 2 } };
    const [none, some] = [await pageOf(cluster('a')), await pageOf(cluster('a', { metrics: metrics({ counts }) }))];
    for (const name of ['ospatch_runs_total', 'ospatch_package_transactions_total', 'ospatch_reboots_total']) {
      expect(linesOf(none, name).every((line) => line.endsWith(' 0'))).toBe(true);
      const names = (page: MetricsPage): string[] => linesOf(page, name).map((line) => line.replace(/ \d+$/, ''));
      expect(names(none)).toEqual(names(some));
    }
    expect(linesOf(none, 'ospatch_runs_total')).toHaveLength(15);
    expect(linesOf(some, 'ospatch_runs_total').filter((line) => !line.endsWith(' 0'))).toEqual([
      'ospatch_runs_total{cluster="a",trigger="boot",outcome="failed"} 1',
    ]);
    // Names of targets and gates are in specs only.
    expect(linesOf(none, 'ospatch_notifications_total')).toEqual([]);
    expect(linesOf(some, 'ospatch_notifications_total')).toEqual([
      'ospatch_notifications_total{cluster="a",target="ops",result="delivered"} 0',
      'ospatch_notifications_total{cluster="a",target="ops",result="failed"} 1',
      'ospatch_notifications_total{cluster="a",target="ops",result="dropped"} 0',
    ]);
    expect(linesOf(some, 'ospatch_gate_results_total')).toEqual([
      'ospatch_gate_results_total{cluster="a",gate="alerts",result="pass"} 2',
      'ospatch_gate_results_total{cluster="a",gate="alerts",result="fail"} 0',
      'ospatch_gate_results_total{cluster="a",gate="alerts",result="unknown"} 0',
    ]);
  });

  it('has one series for each state, of which one applies', async () => {
    const lines = linesOf(
      await pageOf(cluster('prod', { metrics: metrics({ state: 'paused' }) })),
      'ospatch_cluster_state',
    );
    expect(lines).toHaveLength(8);
    expect(lines.filter((line) => line.endsWith(' 1'))).toEqual([
      'ospatch_cluster_state{cluster="prod",state="paused"} 1',
    ]);
  });

  it('says of a cluster that has ended that it has, and nothing of its nodes', async () => {
    const rows = { texts: [], rows: [['w-1', 1]] } as unknown as ClusterSnapshot['rows'];
    const page = await pageOf(cluster('prod', { fault: 'ended', rows }));
    expect(shown(page)).toContain('ospatch_cluster_state{cluster="prod",state="ended"} 1\n');
    expect(shown(page)).not.toContain('w-1');
  });

  it('shows of a node what is known, and of what is not no series', async () => {
    const rows = {
      texts: ['Debian GNU/Linux 12.15', '6.1.0'],
      rows: [
        ['w-1', 6, 0, 1, 1_700, 1_800, 7, 2, 1_750, 3, 1_760],
        ['w-2', 0],
      ],
    } as unknown as ClusterSnapshot['rows'];
    const text = shown(await pageOf(cluster('prod', { rows })));
    const node = '{cluster="prod",node="w-1"';
    for (const line of [
      `ospatch_node_info${node},os="Debian GNU/Linux",patched_version="Debian GNU/Linux 12.15",kernel="6.1.0"} 1`,
      `ospatch_node_state${node},state="reboot-pending"} 1`,
      `ospatch_node_last_applied_patch_timestamp_seconds${node}} 1700`,
      `ospatch_node_last_checked_timestamp_seconds${node}} 1800`,
      `ospatch_node_pending_updates${node},kind="security"} 2`,
      `ospatch_node_pending_updates${node},kind="other"} 5`,
      `ospatch_node_reboot_required${node}} 1`,
      `ospatch_node_reboot_required_since_timestamp_seconds${node}} 1750`,
      `ospatch_node_services_outdated${node}} 3`,
      `ospatch_node_services_outdated_since_timestamp_seconds${node}} 1760`,
    ])
      expect(text).toContain(`${line}\n`);
    const unknown = text.split('\n').filter((line) => line.includes('node="w-2"'));
    expect(new Set(unknown.map((line) => line.split('{')[0]))).toEqual(new Set(['ospatch_node_state']));
  });

  it('keeps nodes apart whose names are long', async () => {
    const long = `${'a.'.repeat(126)}`;
    const rows = { texts: [], rows: [[`${long}a`], [`${long}b`]] } as unknown as ClusterSnapshot['rows'];
    const lines = linesOf(await pageOf(cluster('prod', { rows })), 'ospatch_node_state');
    expect(new Set(lines).size).toBe(lines.length);
  });

  it('moves on with time although nothing was read', async () => {
    const page = new MetricsPage('1');
    const windows: PublishedMetrics['windows'] = [
      [NOW / 1_000 + 60, NOW / 1_000 + 120],
      [NOW / 1_000 + 9_000, null],
    ];
    const cordoned = [{ cluster: 'prod', node: 'w-1', at: NOW / 1_000 - 30 }];
    await page.update(reading([cluster('prod', { metrics: metrics({ windows }) })], { cordoned }), NOW);
    const values = (nowMs: number): string[] =>
      ['ospatch_window_active', 'ospatch_window_next_start_timestamp_seconds', 'ospatch_node_cordoned_seconds'].map(
        (name) => linesOf(page, name, nowMs)[0]?.split(' ').at(-1) ?? '',
      );
    expect(values(NOW)).toEqual(['0', '1800000060', '30']);
    expect(values(NOW + 90_000)).toEqual(['1', '1800009000', '120']);
    expect(values(NOW + 120_000)).toEqual(['0', '1800009000', '150']);
  });

  it('adds up the durations of all clusters, and loses none with a cluster that is gone', async () => {
    const steps = { apply: [42, 0, 0, 0, 0, 0, 2] };
    const page = new MetricsPage('1');
    const [one, other] = ['a', 'b'].map((name) => cluster(name, { metrics: metrics({ steps }) }));
    await page.update(reading([one, other].filter((each) => each !== undefined)), NOW);
    const count = (): string[] => linesOf(page, 'ospatch_node_step_duration_seconds_count');
    expect(count()).toEqual(['ospatch_node_step_duration_seconds_count{step="apply"} 4']);
    expect(shown(page)).toContain('ospatch_node_step_duration_seconds_bucket{step="apply",le="60"} 4\n');
    expect(shown(page)).toContain('ospatch_node_step_duration_seconds_bucket{step="apply",le="+Inf"} 4\n');
    expect(shown(page)).toContain('ospatch_node_step_duration_seconds_sum{step="apply"} 84\n');
    await page.update(reading([cluster('a', { metrics: metrics({ steps: { apply: [50, 0, 0, 0, 0, 0, 3] } }) })]), NOW);
    expect(count()).toEqual(['ospatch_node_step_duration_seconds_count{step="apply"} 5']);
    // Somebody has reset the workflow to a moment before its last patch.
    await page.update(reading([cluster('a', { metrics: metrics({ steps }) })]), NOW);
    expect(count()).toEqual(['ospatch_node_step_duration_seconds_count{step="apply"} 5']);
    const removed = [{ name: 'b', metrics: metrics({ steps }) }];
    await page.update(reading([], { removed }), NOW);
    expect(count()).toEqual(['ospatch_node_step_duration_seconds_count{step="apply"} 5']);
  });

  it('writes the series of a cluster once, as long as nothing of it has changed', async () => {
    let reads = 0;
    const one = cluster('prod');
    Object.defineProperty(one, 'metrics', { get: () => ((reads += 1), metrics()) });
    const page = await pageOf(one);
    const first = reads;
    await page.update(reading([one]), NOW);
    // The steps are compared each time.
    expect(reads - first).toBeLessThanOrEqual(1);
  });

  it('keeps the pieces that say the same, which are compressed already', async () => {
    const page = await pageOf(cluster('a'), cluster('b'));
    const before = page.render(NOW);
    await page.update(reading([cluster('a'), cluster('b', { metrics: metrics({ state: 'running' }) })]), NOW);
    const after = page.render(NOW);
    const changed = after.filter((piece) => !before.includes(piece)).map((piece) => piece.toString().split(' ')[2]);
    // The first piece has what changes with time.
    expect(changed).toEqual(['ospatch_up', 'ospatch_cluster_state']);
  });

  it.each([
    ['a"b\\c\nd', 'a\\"b\\\\c\\nd'],
    ['\u001b[31mred\u0000\u202e', '[31mred'],
    ['grün 漢字', 'grün 漢字'],
    ['half \ud83d', 'half \ufffd'],
    ['x'.repeat(500), `${'x'.repeat(252)}…`],
    [`${'x'.repeat(251)}\u{1f600}`.repeat(2), `${'x'.repeat(251)}…`],
  ])('escapes and cuts what nodes report: %j', (value, expected) => {
    expect(shownLabel(value)).toBe(expected);
  });
});
