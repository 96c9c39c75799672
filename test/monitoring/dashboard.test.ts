/** The dashboard of deploy/monitoring. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { dashboard } from '../../tools/dashboard/dashboard';
import { DASHBOARD_FILE, dashboardText } from '../../tools/dashboard/file';
import { dashboardQueries } from './dashboard-queries';
import { ROOT } from './rules';

describe('deploy/monitoring/ospatch-dashboard.json', () => {
  it('is what `node tools/run.js dashboard/generate` writes', () => {
    expect(readFileSync(DASHBOARD_FILE, 'utf8')).toBe(dashboardText());
  });

  it('lets the reader choose the data source, the job and the cluster, and no panel has a data source of its own', () => {
    const { templating, uid } = dashboard();
    expect(uid).toBe('ospatch');
    expect(templating.list?.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['cluster', 'query'],
    ]);
    const sources = [...dashboardText().matchAll(/"uid": "([^"]*)"/g)].map(([, one]) => one);
    expect(new Set(sources)).toEqual(new Set(['ospatch', '${datasource}']));
  });

  it('asks only for series that docs/metrics.md has', () => {
    const text = readFileSync(path.join(ROOT, 'docs/metrics.md'), 'utf8');
    const known = [...text.matchAll(/^\| `((?:ospatch|temporal)_\w+)`/gm)].map(([, name = '']) => name);
    const used = dashboardQueries().flatMap(({ expr }) =>
      [...expr.matchAll(/\b(?:ospatch|temporal)_\w+/g)].map(([name]) => name),
    );
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter((name) => !known.includes(name.replace(/_bucket$/, '')))).toEqual([]);
  });

  it('explains every panel', () => {
    const panels = (dashboard().panels ?? []).filter(({ type }) => type !== 'row');
    expect(panels.length).toBeGreaterThan(15);
    for (const panel of panels)
      expect(panel).toMatchObject({ title: expect.any(String), description: expect.any(String) });
  });
});
