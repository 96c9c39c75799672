import pc from 'picocolors';
import { renderChanges as render } from '../../../src/cli/render/changes';
import type { SpecChange } from '../../../src/domain/spec/diff';
import { PLAIN } from '../support';

const renderChanges = (changes: SpecChange[], columns: number | undefined = 80) =>
  render(changes, { ...PLAIN, columns });

describe('src/cli/render/changes', () => {
  test('names the changed fields of a schedule', () => {
    const before = { preset: 'weekly', startWithin: '1h' };
    const after = { preset: 'monthly', startWithin: '24h' };
    expect(renderChanges([{ path: 'patching.schedule', before: [before], after: [after] }])).toEqual([
      '  ~ patching.schedule.preset: weekly -> monthly',
      '  ~ patching.schedule.startWithin: 1h -> 24h',
    ]);
    const cron = { cron: '0 2 * * *', startWithin: '4h', duration: '4h', cutoff: 'forecast' };
    const longer = { ...cron, startWithin: '6h', duration: '6h' };
    expect(renderChanges([{ path: 'patching.schedule', before: [before, cron], after: [before, longer] }])).toEqual([
      '  ~ patching.schedule[1].startWithin: 4h -> 6h',
      '  ~ patching.schedule[1].duration: 4h -> 6h',
    ]);
  });

  test('shows a changed kind of schedule, and an added or removed schedule, as a whole', () => {
    const weekly = { preset: 'weekly', startWithin: '1h' };
    const cron = { cron: '0 2 * * *', startWithin: '24h' };
    expect(renderChanges([{ path: 'patching.schedule', before: [weekly], after: [cron] }])[0]).toBe(
      '  ~ patching.schedule: {preset:weekly,startWithin:1h} -> {cron:0 2 * * *,startWithin:24h}',
    );
    expect(renderChanges([{ path: 'patching.schedule', before: undefined, after: [weekly] }])[0]).toMatch(
      /\+ patching\.schedule: \[\{preset:weekly/,
    );
  });

  test('lists added and removed nodes briefly', () => {
    const host = { name: 'w-1', host: '10.0.0.1', hostKeys: ['x'.repeat(500)] };
    expect(renderChanges([{ path: 'nodes[w-1]', before: null, after: host }])).toEqual([
      '  + nodes[w-1]: host 10.0.0.1',
    ]);
    expect(renderChanges([{ path: 'nodes[w-1]', before: host, after: null }])).toEqual([
      '  - nodes[w-1]: host 10.0.0.1',
    ]);
  });

  test('shows another port than 22', () => {
    const node = { name: 'w-1', host: '10.0.0.1', ssh: { port: 2222 } };
    expect(renderChanges([{ path: 'nodes[w-1]', before: undefined, after: node }])).toEqual([
      '  + nodes[w-1]: host 10.0.0.1 port 2222',
    ]);
  });

  test('says of a node that comes or goes what makes it another one than the rest, and of a new name that it is one', () => {
    const node = { name: 'cp-2', host: '10.0.0.1', role: 'control-plane', zone: 'a', ssh: { port: 22 } };
    expect(renderChanges([{ path: 'nodes[cp-2]', before: undefined, after: node }])).toEqual([
      '  + nodes[cp-2]: host 10.0.0.1, control-plane, zone a',
    ]);
    expect(renderChanges([{ path: 'nodes[w-7].name', before: 'w-7', after: 'w-8' }])).toEqual([
      '  ~ nodes[w-7].name: w-7 -> w-8 (the same machine)',
    ]);
    expect(renderChanges([{ path: 'nodes[w-7].ssh.port', before: 22, after: 2222 }])).toEqual([
      '  ~ nodes[w-7].ssh.port: 22 -> 2222',
    ]);
  });

  test('shows long values from their first difference on', () => {
    const key = `ssh-ed25519 ${'A'.repeat(120)}`;
    const [row] = renderChanges([{ path: 'nodes[w-1].hostKeys', before: [`${key}xyz`], after: [`${key}uvw`] }]);
    expect(row).toBe(`  ~ nodes[w-1].hostKeys: …${'A'.repeat(20)}xyz] -> …${'A'.repeat(20)}uvw]`);
    const lists = [0, 200].map((last) =>
      Array.from({ length: 30 }, (_, at) => (at === 25 ? `n-${last}` : `node-${at}`)),
    );
    const [order] = renderChanges([{ path: 'nodes', before: lists[0], after: lists[1] }]);
    expect(order).toMatch(/~ nodes: ….*,node-24,n-0,node-26,.* -> ….*,node-24,n-200,node-26/);
  });

  test('cuts nothing in a pipe', () => {
    const changes = Array.from({ length: 30 }, (_, index) => ({
      path: `nodes[w-${index}].host`,
      before: 'a',
      after: 'b'.repeat(200),
    }));
    const rows = render(changes, PLAIN);
    expect(rows).toHaveLength(30);
    expect(rows[29]).toBe(`  ~ nodes[w-29].host: a -> ${'b'.repeat(200)}`);
  });

  test('is green, red and yellow on a terminal that has colours', () => {
    const change = { path: 'nodes[w-1].zone', before: 'a', after: 'b' };
    const colors = { ...pc.createColors(true), columns: 80 };
    const row = (one: SpecChange): string | undefined => render([one], colors)[0];
    expect(row({ ...change, before: null })).toBe(`  ${colors.green('+ nodes[w-1].zone: b')}`);
    expect(row({ ...change, after: null })).toBe(`  ${colors.red('- nodes[w-1].zone: a')}`);
    expect(row(change)).toBe(`  ${colors.yellow('~')} nodes[w-1].zone: a -> b`);
  });

  test('counts the rows beyond 20', () => {
    const changes = Array.from({ length: 30 }, (_, index) => ({
      path: `nodes[w-${index}].host`,
      before: 'a',
      after: 'b',
    }));
    const rows = renderChanges(changes);
    expect(rows).toHaveLength(21);
    expect(rows.at(-1)).toBe('  and 10 more changes');
    expect(renderChanges(changes.slice(0, 21))).toHaveLength(21);
  });
});
