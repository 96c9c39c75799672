import { ClusterClient } from '../../../src/client/cluster-client';
import { runCli } from '../../../src/cli/main';
import { jsonPath } from '../../../src/cli/io/jsonpath';
import { fakeClient, fakeTerminal, node, status } from '../support';

const STATUS = status([
  node('w-1', { state: 'failed', pendingUpdates: 3, lastAppliedPatchTime: '2026-11-01T00:00:00Z' }),
  node('w-2', { state: 'patched', pendingUpdates: 0, lastAppliedPatchTime: '2026-11-20T00:00:00Z' }),
]);

afterEach(() => jest.restoreAllMocks());

async function run(...args: string[]) {
  const answers = { statusAmongClusters: () => Promise.resolve(STATUS), list: () => Promise.resolve([]) };
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(answers));
  const terminal = fakeTerminal();
  await runCli(args, terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode() };
}

describe('src/cli/io/output-format', () => {
  // Each as kubectl answers it.
  test.each([
    ['{.cluster}', 'demo'],
    ['.cluster', 'demo'],
    ['{$.cluster}', 'demo'],
    ['{.nodes[*].name}', 'w-1 w-2'],
    ['{.nodes[0].name}', 'w-1'],
    ['{.nodes[-1].name}', 'w-2'],
    ['{.nodes[2].name}', ''],
    ['{.nodes[0:1].name}', 'w-1'],
    ['{.nodes[1:].name}', 'w-2'],
    ["{.nodes[0]['name']}", 'w-1'],
    ['{.nodes[?(@.state=="failed")].name}', 'w-1'],
    ["{.nodes[?(@.state!='failed')].name}", 'w-2'],
    ['{.nodes[?(@.pendingUpdates>0)].name}', 'w-1'],
    ['{.nodes[?(@.lastAppliedPatchTime<"2026-11-10")].name}', 'w-1'],
    ['{.nodes[?(@.quarantine)].name}', ''],
    ['{range .nodes[*]}{.name}{"\\t"}{.state}{"\\n"}{end}', 'w-1\tfailed\nw-2\tpatched\n'],
    ['{range .nodes[*]}{$.cluster}/{.name} {end}', 'demo/w-1 demo/w-2 '],
    ['cluster {.cluster}: {.ready}', 'cluster demo: true'],
    ['{.paused}', 'null'],
    ['{.nodes[0].warnings}', '[]'],
    ['{.missing.more}', ''],
    ['{..role}', 'worker worker'],
  ])('jsonpath %s is %j', (template, expected) => {
    expect(jsonPath(template)(STATUS)).toBe(expected);
  });

  test.each(['{.nodes[}', '{', '{range .nodes[*]}{.name}', '{end}', '{.nodes[x]}', '{.a b}'])(
    'refuses the template %s',
    async (template) => {
      const { err, code } = await run('status', 'demo', '-o', `jsonpath=${template}`);
      expect(err).toMatch(/^error: the jsonpath template has .*\n {2}fix: write it as for kubectl/);
      expect(code).toBe(2);
    },
  );

  test('prints data as YAML, names or by a template, wherever it prints JSON', async () => {
    expect((await run('status', 'demo', '-o', 'yaml')).out).toMatch(
      /^cluster: demo\n(.*\n)*nodes:\n {2}- kind: node\n {4}name: w-1\n/,
    );
    expect((await run('status', 'demo', '-o', 'name')).out).toBe('w-1\nw-2\n');
    expect((await run('status', 'demo', '-o', 'jsonpath={.nodes[*].state}')).out).toBe('failed patched\n');
    expect((await run('list', '-o', 'yaml')).out).toBe('[]\n');
    expect((await run('list', '-o', 'name')).out).toBe('');
    expect((await run('status', 'demo', '-o', 'wide')).out).toContain('w-1   worker  failed');
  });

  test('refuses other formats', async () => {
    const { err, code } = await run('status', 'demo', '-o', 'xml');
    expect(err).toContain('text, wide, json, yaml, name, jsonpath=TEMPLATE');
    expect(code).toBe(2);
  });
});
