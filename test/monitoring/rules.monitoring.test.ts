/** The rules of deploy/monitoring, judged by promtool. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { runProgram } from '../../src/dev/host';
import { findMonitoring } from '../../tools/monitoring';
import type { AlertCase } from './alert-cases';
import { ALERT_CASES } from './alert-cases';
import { RULES, alertRules } from './rules';

const DAY_S = 86_400;

let dir = '';
let promtool = '';

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-rules-'));
  ({ promtool } = await findMonitoring((line) => console.log(line)));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs promtool's unit tests of the rules; returns what it prints when one has failed. */
async function testRules(tests: object[], interval = '1m'): Promise<string> {
  const file = path.join(dir, `tests-${interval}.yml`);
  const all = tests.map((one) => ({ interval, ...one }));
  writeFileSync(file, stringify({ rule_files: [RULES], evaluation_interval: interval, tests: all }));
  const { code, stdout, stderr } = await runProgram(promtool, ['test', 'rules', file]);
  return code === 0 ? '' : `${stdout}${stderr}`;
}

/** Fills the templates of a rule's annotations in. */
function annotationsOf({ alert, labels = {}, lasted = '' }: AlertCase): Record<string, string> {
  const rule = alertRules().find((one) => one.alert === alert);
  return Object.fromEntries(
    Object.entries(rule?.annotations ?? {}).map(([name, text]) => [
      name,
      text
        .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
        .replace(/\{\{ \$value( \| humanizeDuration)? \}\}/g, lasted),
    ]),
  );
}

function toTest(one: AlertCase): object {
  const { severity } = alertRules().find((rule) => rule.alert === one.alert)?.labels ?? {};
  const firing = { exp_labels: { severity, job: 'ospatch', ...one.labels }, exp_annotations: annotationsOf(one) };
  const { job = 'ospatch' } = one;
  if (job === null) delete (firing.exp_labels as { job?: string }).job;
  return {
    name: `${one.alert}: ${one.when}`,
    input_series: Object.entries(one.series).flatMap(([name, values]) => toSeries(name, values)),
    alert_rule_test: [{ eval_time: one.at, alertname: one.alert, exp_alerts: one.fires ? [firing] : [] }],
  };
}

/** Of two replicas of the exporter, so that every case shows that they fire one alert. */
function toSeries(name: string, values: string): object[] {
  const separator = name.endsWith('}') ? `${name.slice(0, -1)},` : `${name}{`;
  const job = name.includes('job=') ? '' : 'job="ospatch",';
  return ['a', 'b'].map((one) => ({ series: `${separator}${job}instance="${one}:9464"}`, values }));
}

describe('deploy/monitoring/ospatch.rules.yml', () => {
  it('is accepted by promtool', async () => {
    expect(await runProgram(promtool, ['check', 'rules', RULES])).toMatchObject({ code: 0, stderr: '' });
  });

  it('has a case that fires and one that does not for every alert', () => {
    const names = alertRules().map(({ alert }) => alert);
    const cases = (fires: boolean): string[] => [
      ...new Set(ALERT_CASES.filter((one) => one.fires === fires).map(({ alert }) => alert)),
    ];
    expect(cases(true).toSorted()).toEqual(names.toSorted());
    expect(cases(false).toSorted()).toEqual(names.toSorted());
  });

  it('fires each alert in its case, once for all exporters, with the words of the case, and in no other', async () => {
    // Of what takes days, every minute is too much.
    const intervals = new Set(ALERT_CASES.map(({ interval = '1m' }) => interval));
    for (const interval of intervals) {
      const cases = ALERT_CASES.filter((one) => (one.interval ?? '1m') === interval);
      expect(await testRules(cases.map(toTest), interval)).toBe('');
    }
  });

  it('records what the dashboard shows', async () => {
    const input = {
      'ospatch_cluster_nodes{cluster="c",state="failed"}': '2x10',
      'ospatch_node_last_applied_patch_timestamp_seconds{cluster="c",node="n1"}': `-${2 * DAY_S}x10`,
      'ospatch_node_last_applied_patch_timestamp_seconds{cluster="c",node="n2"}': `-${DAY_S}x10`,
      'ospatch_node_pending_updates{cluster="c",node="n1",kind="other"}': '3x10',
      'ospatch_node_pending_updates{cluster="c",node="n2",kind="other"}': '4x10',
      'ospatch_node_reboot_required{cluster="c",node="n1"}': '1x10',
      'ospatch_node_reboot_required{cluster="c",node="n2"}': '0x10',
      'ospatch_node_services_outdated{cluster="c",node="n1"}': '7x10',
      'ospatch_runs_total{cluster="c",trigger="schedule",outcome="succeeded"}': '0+3x10',
      'ospatch_runs_total{cluster="c",trigger="schedule",outcome="failed"}': '0+1x10',
      'ospatch_node_step_duration_seconds_bucket{step="apply",le="60"}': '0+9x10',
      'ospatch_node_step_duration_seconds_bucket{step="apply",le="+Inf"}': '0+10x10',
    };
    const recorded = (expr: string, labels: string, value: number): object => ({
      expr,
      eval_time: '10m',
      exp_samples: [{ labels: `${expr}{${labels}}`, value }],
    });
    const ofCluster = 'cluster="c",job="ospatch"';
    const problems = await testRules([
      {
        input_series: Object.entries(input).flatMap(([name, values]) => toSeries(name, values)),
        promql_expr_test: [
          recorded('cluster:ospatch_nodes:count', `${ofCluster},state="failed"`, 2),
          recorded('cluster:ospatch_node_patch_age_seconds:max', ofCluster, 2 * DAY_S + 600),
          recorded('cluster:ospatch_node_pending_updates:sum', `${ofCluster},kind="other"`, 7),
          recorded('cluster:ospatch_nodes_reboot_required:count', ofCluster, 1),
          recorded('cluster:ospatch_nodes_services_outdated:count', ofCluster, 1),
          recorded('cluster:ospatch_runs_succeeded:ratio_increase30d', ofCluster, 0.75),
          recorded('step:ospatch_node_step_duration_seconds:p90_7d', 'job="ospatch",step="apply"', 60),
        ],
      },
    ]);
    expect(problems).toBe('');
  });

  it('has a test for every recording rule', () => {
    const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: { record?: string }[] }[] };
    const here = readFileSync(__filename, 'utf8');
    const records = groups.flatMap(({ rules }) => rules.flatMap(({ record }) => record ?? []));
    expect(records.filter((record) => !here.includes(`'${record}'`))).toEqual([]);
  });
});
