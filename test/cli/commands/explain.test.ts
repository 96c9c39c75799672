import { ClusterClient } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import { textWidth } from '../../../src/cli/render/columns';
import { renderExplanations } from '../../../src/cli/render/explain';
import { explanation } from '../../../src/domain/explain/explanation';
import { OspatchError } from '../../../src/domain/shared/errors';
import { NOW, PLAIN, fakeClient, fakeTerminal } from '../support';

const FOUND = [
  explanation('locked', 'no run patches w-1', 'ann@host has locked it (incident 4711)', {
    ...{ since: '2026-11-23T10:00:00.000Z', until: '2026-11-24T10:00:00.000Z' },
    change: ['ospatch unlock demo w-1'],
  }),
  explanation('no-schedule', 'demo patches nothing now', 'no run is requested, and its spec has no schedule'),
];

async function run(args: string[], explain: unknown) {
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient({ explain }));
  const terminal = fakeTerminal();
  await runCli(['explain', ...args], terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

describe('src/cli/commands/explain', () => {
  afterEach(() => jest.restoreAllMocks());

  test('prints a sentence each with what changes it, and JSON as it is', async () => {
    const asked: unknown[] = [];
    const explain = (cluster: string, node?: string) => {
      asked.push([cluster, node]);
      return Promise.resolve(FOUND);
    };
    const { out, code } = await run(['demo', 'w-1'], explain);
    expect(out).toContain('no run patches w-1: ann@host has locked it (incident 4711), since 20');
    expect(out).toContain('(2h), until 20');
    expect(out).toContain('\n  change: ospatch unlock demo w-1\ndemo patches nothing now: no run is requested');
    expect(code).toBe(0);
    expect(JSON.parse((await run(['demo', '-o', 'json'], explain)).out)).toEqual(FOUND);
    expect(asked).toEqual([
      ['demo', 'w-1'],
      ['demo', undefined],
    ]);
  });

  test('fails for a node that does not exist', async () => {
    const missing = new OspatchError({
      type: 'NotFound',
      message: 'cluster demo has no node w-9',
      remedy: 'see status',
    });
    const { err, code } = await run(['demo', 'w-9'], () => Promise.reject(missing));
    expect(err).toContain('error: cluster demo has no node w-9.');
    expect(code).toBe(1);
  });

  test.each([40, 60, 80])('fits %i columns, and is a line each in a pipe', (columns) => {
    const view = { now: NOW, zone: 'UTC' };
    for (const line of renderExplanations(FOUND, { ...view, color: { ...PLAIN, columns } }).split('\n'))
      expect(textWidth(line)).toBeLessThanOrEqual(columns);
    expect(renderExplanations(FOUND, { ...view, color: PLAIN }).split('\n')).toHaveLength(3);
  });
});
