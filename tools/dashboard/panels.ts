/** The kinds of panels of the dashboard. */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import { BigValueColorMode, BigValueGraphMode, StackingMode } from '@grafana/grafana-foundation-sdk/common';
import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';
import { ReduceDataOptionsBuilder, StackingConfigBuilder } from '@grafana/grafana-foundation-sdk/common';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** Chosen at the top of the dashboard. */
export const DATASOURCE: DataSourceRef = { type: 'prometheus', uid: '${datasource}' };

/** Text that explains the panel, and its place. */
interface Common {
  title: string;
  /** What it means, and what to do about it. */
  description: string;
  /** Columns of 24. */
  width: number;
  height?: number;
  /** Grafana's name of the unit. */
  unit?: string;
}

interface Column {
  expr: string;
  title: string;
  unit?: string;
}

const MS_IN_S = 1_000;

/** One number. `bad`: from which value on it is orange and red. */
export function stat(
  options: Common & { expr: string; bad?: { warning?: number; critical?: number } },
): Builder<Panel> {
  const { expr, bad = {} } = options;
  const steps = [
    { value: null, color: Object.keys(bad).length === 0 ? 'text' : 'green' },
    ...(bad.warning === undefined ? [] : [{ value: bad.warning, color: 'orange' }]),
    ...(bad.critical === undefined ? [] : [{ value: bad.critical, color: 'red' }]),
  ];
  return new StatBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATASOURCE)
    .span(options.width)
    .height(options.height ?? 4)
    .unit(options.unit ?? 'short')
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .withTarget(instant(expr));
}

/** Lines over time; `stacked`: areas that add up. */
export function lines(
  options: Common & { queries: { expr: string; legend: string }[]; stacked?: boolean },
): Builder<Panel> {
  const panel = new TimeSeriesBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATASOURCE)
    .span(options.width)
    .height(options.height ?? 8)
    .unit(options.unit ?? 'short')
    .min(0);
  if (options.stacked === true) {
    panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal)).fillOpacity(30);
  }
  for (const { expr, legend } of options.queries) {
    panel.withTarget(new DataqueryBuilder().datasource(DATASOURCE).expr(expr).legendFormat(legend).range());
  }
  return panel;
}

/** One row for each value of `labels`, with one column for each query. */
export function table(options: Common & { labels: string[]; columns: Column[]; hidden?: string[] }): Builder<Panel> {
  const { labels, columns } = options;
  const panel = new TableBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(DATASOURCE)
    .span(options.width)
    .height(options.height ?? 9)
    .filterable(true)
    .noValue('-');
  const named = columns.map((column, at) => ({ ...column, field: `Value #${String.fromCharCode(65 + at)}` }));
  for (const { expr, field } of named) {
    panel.withTarget(instant(expr, field.slice(-1)).format(PromQueryFormat.Table));
  }
  for (const { field, unit } of named) {
    if (unit !== undefined) panel.overrideByName(field, [{ id: 'unit', value: unit }]);
  }
  return panel.withTransformation({ id: 'merge', options: {} }).withTransformation({
    id: 'organize',
    options: {
      excludeByName: Object.fromEntries(['Time', ...(options.hidden ?? [])].map((name) => [name, true])),
      indexByName: Object.fromEntries([...labels, ...named.map(({ field }) => field)].map((name, at) => [name, at])),
      renameByName: Object.fromEntries(named.map(({ field, title }) => [field, title])),
    },
  });
}

/** Grafana's dates are in milliseconds. */
export function asDate(expr: string): string {
  return `${expr} * ${MS_IN_S}`;
}

function instant(expr: string, refId = 'A'): DataqueryBuilder & Builder<Dataquery> {
  return new DataqueryBuilder().datasource(DATASOURCE).refId(refId).expr(expr).instant();
}
