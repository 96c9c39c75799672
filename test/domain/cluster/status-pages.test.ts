import { newClusterState } from '../../../src/domain/cluster/state';
import type { ClusterState } from '../../../src/domain/cluster/state';
import {
  RowVersions,
  nodesPage,
  pageOfItems,
  parsePageRequest,
  statusPage,
  clusterSummary,
} from '../../../src/domain/cluster/status-pages';
import { transition } from '../../../src/domain/cluster/member';
import { clusterSpec } from '../../support/builders';
import { worstState } from '../../support/worst-state';
import { defined } from '../../../src/domain/shared/defined';

const NAMES = ['cp-1', 'w-1', 'w-2'];

function idle(names = NAMES): ClusterState {
  return newClusterState(clusterSpec(names), null, '2027-01-01T00:00:00.000Z');
}

function start(state: ClusterState, name: string): void {
  state.nodes = state.nodes.map((node) => (node.name === name ? transition(node, { kind: 'started' }) : node));
}

describe('src/domain/cluster/status-pages', () => {
  it('returns at most 64 KiB in 100 rows, at most 1 MiB altogether, and every node once', () => {
    const state = worstState(1_500);
    for (const [limit, max] of [
      [undefined, 64 * 1024],
      [1_000, 1024 * 1024],
    ] as const) {
      const seen: string[] = [];
      for (let from: number | null = 0; from !== null;) {
        const request = parsePageRequest({ from, limit });
        const page = nodesPage(state, request);
        expect(JSON.stringify(page).length).toBeLessThan(max);
        expect(JSON.stringify(statusPage(state, 'x', new RowVersions('a'), request, 0)).length).toBeLessThan(max);
        seen.push(...page.nodes.map(({ name }) => name));
        from = page.next;
      }
      expect(seen).toEqual(state.nodes.map(({ name }) => name));
    }
  });

  it('returns a node larger than a page alone', () => {
    const items = ['x'.repeat(100_000), 'y', 'z'];
    expect(pageOfItems(items, {})).toEqual({ items: items.slice(0, 1), next: 1 });
    expect(pageOfItems(items, { from: 1 })).toEqual({ items: ['y', 'z'], next: null });
    expect(pageOfItems(items, { from: 7 })).toEqual({ items: [], next: null });
  });

  it('filters by state, and counts all nodes', () => {
    const state = idle();
    start(state, 'w-1');
    expect(nodesPage(state, { state: 'patching' })).toMatchObject({ total: 3, nodes: [{ name: 'w-1' }], next: null });
    expect(clusterSummary(state, 'why', 0)).toMatchObject({ explanation: 'why', counts: { patching: 1, unknown: 2 } });
    expect(clusterSummary(state, 'why', 0)).not.toHaveProperty('nodes');
  });

  describe('changes', () => {
    const poll = (state: ClusterState, versions: RowVersions, since: string | null) => {
      const { nodes, token, changedOnly } = statusPage(state, '', versions, defined({ since: since ?? undefined }), 0);
      return { names: nodes.map(({ name }) => name), token, changedOnly };
    };

    it('are the only rows sent for a token of the last page', () => {
      const state = idle();
      const versions = new RowVersions('a');
      versions.note(state.nodes);
      const first = poll(state, versions, null);
      expect(first).toMatchObject({ names: NAMES, changedOnly: false });
      expect(poll(state, versions, first.token)).toEqual({ names: [], token: first.token, changedOnly: true });
      start(state, 'w-1');
      // Rows without acknowledgement are sent again.
      expect(poll(state, versions, first.token)).toEqual({ names: NAMES, token: null, changedOnly: false });
      versions.note(state.nodes);
      const second = poll(state, versions, first.token);
      expect(second).toMatchObject({ names: ['w-1'], changedOnly: true });
      start(state, 'w-2');
      versions.note(state.nodes);
      expect(poll(state, versions, second.token).names).toEqual(['w-2']);
      expect(poll(state, versions, first.token).names).toEqual(['w-1', 'w-2']);
    });

    it('are all rows after nodes were added or removed, in another generation, and for foreign tokens', () => {
      const state = idle();
      const versions = new RowVersions('a');
      versions.note(state.nodes);
      const { token } = poll(state, versions, null);
      const later = new RowVersions('b');
      later.note(state.nodes);
      expect(poll(state, later, token)).toMatchObject({ names: NAMES, changedOnly: false });
      for (const bad of ['', 'a', 'a/1', 'a/x/y', '//', 'a/9/9']) {
        expect(poll(state, versions, bad)).toMatchObject({ names: NAMES, changedOnly: false });
      }
      state.nodes = state.nodes.slice(1);
      versions.note(state.nodes);
      expect(poll(state, versions, token)).toMatchObject({ names: NAMES.slice(1), changedOnly: false });
    });
  });

  it.each([[null], ['x'], [{ from: -1, limit: 0, state: 'x', since: 7 }], [{ from: 1.5, limit: '9' }]])(
    'treats %j as a request for the first page',
    (value) => {
      expect(parsePageRequest(value)).toEqual({});
    },
  );
});
