/** The queries of the generated dashboard, as Grafana sends them. */
import { readFileSync } from 'node:fs';
import { DASHBOARD_FILE } from '../../tools/dashboard/file';

export interface DashboardQuery {
  panel: string;
  expr: string;
}

/** All queries of all panels. `variables`: values of those of Grafana; the others match everything. */
export function dashboardQueries(variables: Readonly<Record<string, string>> = {}): DashboardQuery[] {
  const { panels } = JSON.parse(readFileSync(DASHBOARD_FILE, 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expr: expr.replace(
        /\$(\w+)/g,
        (_, name: string) => variables[name] ?? (name === '__range' || name === '__rate_interval' ? '5m' : '.*'),
      ),
    })),
  );
}
