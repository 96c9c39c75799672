/** Pages of long answers: Temporal rejects large payloads, and users read the first lines. */
import type { ClusterSummary, NodesPage, PageRequest, StatusPage } from './messages';
import type { ClusterState } from './state';
import { toStatus, toSummary } from './status';
import { statusLines } from '../explain/status-line';
import type { MemberStatus } from './member';
import { NODE_STATES } from '../node/status';
import { defined } from '../shared/defined';

export const DEFAULT_PAGE = 100;
const MAX_PAGE = 1_000;

/** Maximum characters of a page of at most {@link DEFAULT_PAGE} rows, and of a longer page. */
const MAX_CHARS = 60 * 1024;
const MAX_LONG_CHARS = 900 * 1024;

/** Tracks which rows have changed since a token was issued. Lives as long as one workflow history. */
export class RowVersions {
  private readonly versions = new WeakMap<MemberStatus, number>();
  private rows: readonly MemberStatus[] = [];
  private names = 0;
  private version = 0;

  /** `life` identifies this history; tokens of another history are not comparable. */
  constructor(private readonly life: string) {}

  /** Records changes; a changed row is a new object. */
  note(rows: readonly MemberStatus[]): void {
    if (rows === this.rows) return;
    const sameNames = rows.length === this.rows.length && rows.every(({ name }, at) => name === this.rows[at]?.name);
    if (!sameNames) this.names += 1;
    this.version += 1;
    for (const row of rows) if (!this.versions.has(row)) this.versions.set(row, this.version);
    this.rows = rows;
  }

  /** The token of the current rows; null while a change has not been recorded yet. */
  token(rows: readonly MemberStatus[]): string | null {
    return rows === this.rows ? `${this.life}/${this.names}/${this.version}` : null;
  }

  /** The rows, with null for each row unchanged since `token`; all rows when the token is unknown. */
  since(rows: readonly MemberStatus[], token: string | null): { rows: (MemberStatus | null)[]; changedOnly: boolean } {
    const [life, names, version] = /^(.*)\/(\d+)\/(\d+)$/.exec(token ?? '')?.slice(1) ?? [];
    const isKnown = life === this.life && Number(names) === this.names && this.token(rows) !== null;
    if (!isKnown) return { rows: [...rows], changedOnly: false };
    const seen = Number(version);
    return {
      rows: rows.map((row) => ((this.versions.get(row) ?? Infinity) > seen ? row : null)),
      changedOnly: true,
    };
  }
}

/** The answer of the `status` query: the summary and as many nodes as fit. */
export function statusPage(
  state: ClusterState,
  explanation: string,
  versions: RowVersions,
  { since, ...request }: PageRequest,
  nowMs: number,
): StatusPage {
  const token = versions.token(state.nodes);
  const { rows, changedOnly } = versions.since(state.nodes, since ?? null);
  return { ...clusterSummary(state, explanation, nowMs), ...pageOf(rows, request), token, changedOnly };
}

/** The answer of the `nodes` query. */
export function nodesPage(state: ClusterState, request: PageRequest): NodesPage {
  return { total: state.nodes.length, ...pageOf(state.nodes, request) };
}

/** The answer of the `summary` query. */
export function clusterSummary(state: ClusterState, explanation: string, nowMs: number): ClusterSummary {
  const counts = NODE_STATES.map((name) => [name, state.nodes.filter((node) => node.state === name).length] as const);
  return {
    ...toSummary(state),
    explanation,
    statusLines: statusLines({ ...toStatus(state), explanation }, nowMs),
    counts: Object.fromEntries(counts.filter(([, count]) => count > 0)),
  };
}

/** Items from `from` on, as many as fit; `next` is the start of the next page, null on the last page. */
export function pageOfItems<T>(
  items: readonly T[],
  { from = 0, limit = DEFAULT_PAGE }: Pick<PageRequest, 'from' | 'limit'>,
): { items: T[]; next: number | null } {
  const room = limit <= DEFAULT_PAGE ? MAX_CHARS : MAX_LONG_CHARS;
  const page: T[] = [];
  let chars = 0;
  for (let at = from; at < items.length; at += 1) {
    const item = items[at] as T;
    if (item === null) continue;
    chars += JSON.stringify(item).length;
    if (page.length > 0 && (chars > room || page.length === limit)) return { items: page, next: at };
    page.push(item);
  }
  return { items: page, next: null };
}

function pageOf(
  rows: readonly (MemberStatus | null)[],
  { state, ...range }: PageRequest,
): { nodes: MemberStatus[]; next: number | null } {
  const wanted = state === undefined ? rows : rows.map((row) => (row?.state === state ? row : null));
  const { items, next } = pageOfItems(wanted, range);
  return { nodes: items.filter((row) => row !== null), next };
}

/** Parses a page request; invalid fields are ignored. */
export function parsePageRequest(value: unknown): PageRequest {
  if (typeof value !== 'object' || value === null) return {};
  const { from, limit, state, since } = value as Record<string, unknown>;
  const known = NODE_STATES.find((name) => name === state);
  return {
    ...defined({
      from: isCount(from) ? from : undefined,
      limit: isCount(limit) && limit > 0 ? Math.min(limit, MAX_PAGE) : undefined,
      state: known,
      since: typeof since === 'string' ? since : undefined,
    }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
