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

  describe('of a field of the spec', () => {
    const noServer = (): never => {
      throw new Error('no server is needed');
    };

    test.each([
      [['patching.rollout.maxUnavailable']],
      [['spec.patching.rollout.maxUnavailable']],
      [['--field', 'patching.rollout.maxUnavailable']],
    ])('%j shows its values, default, meaning and an example without a server', async (args) => {
      const { out, code } = await run(args, noServer);
      expect(code).toBe(0);
      expect(out).toMatch(
        /^patching\.rollout\.maxUnavailable \(clusters of type self-managed\)\n  whole number from 1 to 5000, or share such as 10%; default: no such limit\n\n  How many nodes, /,
      );
      expect(out).toContain('\nExample:\n  patching:\n    rollout:\n      maxUnavailable: 20%\n');
      expect(ClusterClient.connect).not.toHaveBeenCalled();
    });

    test('lists the fields below, and all of the spec', async () => {
      const ssh = await run(['--field', 'ssh'], noServer);
      expect(ssh.out).toContain('\nFields:\n  user  text\n    Login user: root, ');
      expect(ssh.out).toContain('\n  port  whole number from 1 to 65535; default: 22\n    Port of sshd.\n');
      const spec = await run(['--field', 'spec'], noServer);
      expect(spec.out).toContain('\n  nodes  list of mappings; required\n');
      expect(JSON.parse((await run(['spec.ssh', '-o', 'json'], noServer)).out)).toEqual([
        expect.objectContaining({ path: 'ssh', clusterTypes: ['self-managed'], required: false }),
      ]);
    });

    test.each([
      [
        ['patching.rolout'],
        'patching has no field "rolout"; allowed: ',
        'did you mean ospatch explain --field patching.rollout?',
      ],
      [['nodes[0].hostname'], 'nodes has no field "hostname"', 'did you mean ospatch explain --field nodes.host?'],
      [['--field', 'schedule'], 'the spec has no field "schedule"', '--field patching.schedule?'],
      [['name.x'], 'name has no field "x", nor any other', 'ospatch explain --field name lists the fields'],
      [[], 'found neither the name of a cluster nor a field', 'ospatch explain NAME [NODE]'],
      [['demo', '--field', 'ssh'], 'found both a name and a field', 'ospatch explain NAME [NODE]'],
      [['patching.rollout', 'w-1'], 'found both a name and a field', 'ospatch explain NAME [NODE]'],
    ])('%j is a usage error', async (args, message, remedy) => {
      const { err, code } = await run(args, noServer);
      expect([code, err]).toEqual([2, expect.stringContaining(message)]);
      expect(err).toContain(remedy);
    });

    test('a name that is no cluster may be a field', async () => {
      const gone = new OspatchError({ type: 'NotFound', message: 'there is no cluster patching' });
      expect((await run(['patching'], () => Promise.reject(gone))).err).toContain(
        'fix: for the field of the spec: ospatch explain --field patching\n',
      );
      expect((await run(['prod'], () => Promise.reject(gone))).err).not.toContain('--field');
    });
  });

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
