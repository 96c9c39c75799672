/** Reads what clusters have published: whoever may write to the namespace may have written it. */
import { z } from 'zod';
import type { PublishedMetrics, PublishedRows } from '../domain/cluster/published';
import { WAIT_REASONS, wholeRow } from '../domain/cluster/published';
import { MAX_NODES } from '../domain/spec/types';
import { RUN_TRIGGERS } from '../domain/run/run';

const count = z.number().min(0);
const counts = z.record(z.string().max(200), count);
const rowsForm = z.object({
  texts: z.array(z.string()).max(3 * MAX_NODES),
  rows: z.array(z.tuple([z.string()], z.number())).max(MAX_NODES),
});

const form = z.object({
  v: z.literal(1),
  createdAt: z.string().max(40),
  state: z.string().max(40),
  ready: z.boolean(),
  paused: z.literal(true).optional(),
  windows: z.array(z.tuple([count, count.nullable()])).max(10),
  run: z
    .object({
      trigger: z.enum(RUN_TRIGGERS),
      startedAt: count,
      progressAt: count,
      waiting: z.enum(WAIT_REASONS).optional(),
      nodes: counts,
      forecastEnd: count.optional(),
    })
    .optional(),
  completedAt: count.optional(),
  states: counts,
  sites: z.array(z.string().min(1).max(200)).max(20).optional(),
  counts: z.record(z.string(), counts).optional(),
  steps: z.record(z.string(), z.array(count)).optional(),
  revision: z.string().max(40),
  rows: rowsForm.optional(),
});

const pageForm = z.object({ ...rowsForm.shape, revision: z.string().max(40), next: count.nullable() });

/** Null: of another version, or damaged. */
export function readPublished(value: unknown): PublishedMetrics | null {
  const read = form.safeParse(value);
  return read.success ? (read.data as PublishedMetrics) : null;
}

/** One answer of a cluster with rows of its nodes. Null: damaged. */
export function readRowsPage(value: unknown): (PublishedRows & { revision: string; next: number | null }) | null {
  const read = pageForm.safeParse(value);
  if (!read.success) return null;
  return { ...read.data, rows: read.data.rows.map((row) => wholeRow(row)) };
}
