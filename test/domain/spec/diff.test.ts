import { parse } from 'yaml';
import { renderSpecYaml } from '../../../src/client/load/yaml';
import { canonicalJson } from '../../../src/domain/shared/canonical-json';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { diffSpecs } from '../../../src/domain/spec/diff';
import { parseSpec } from '../../../src/domain/spec/parse';
import { KEY, OTHER_KEY, specDocument } from './spec-document';

function spec(parts: Record<string, unknown> = {}): ClusterSpec {
  const parsed = parseSpec(specDocument(parts));
  if (parsed.spec === null) throw new Error(JSON.stringify(parsed.issues));
  return parsed.spec;
}

describe('src/domain/shared/canonical-json', () => {
  it('is the same for equal values, whatever the order of their keys', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: undefined })).toBe('{"b":[{"c":null,"d":1}]}');
    expect(canonicalJson({ x: 1, y: 'a' })).toBe(canonicalJson({ y: 'a', x: 1 }));
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
  });
});

describe('src/domain/spec/diff', () => {
  it('finds no change between equal specs', () => {
    expect(diffSpecs(spec(), spec())).toEqual([]);
  });

  it('names each changed field', () => {
    const before = spec({ patching: { schedule: 'weekly' } });
    const after = spec({ patching: { schedule: 'monthly', rebootIfRequired: true }, description: 'x' });
    expect(diffSpecs(before, after)).toEqual([
      { path: 'patching.rebootIfRequired', before: false, after: true },
      {
        path: 'patching.schedule',
        before: [{ preset: 'weekly', startWithin: '1h' }],
        after: [{ preset: 'monthly', startWithin: '24h' }],
      },
      { path: 'description', before: undefined, after: 'x' },
    ]);
  });

  it('names changes of the package policy', () => {
    const before = spec({ patching: { packages: { exclude: ['nginx*'] } } });
    const after = spec({ patching: { packages: { only: 'security', exclude: ['nginx*', 'vim'], keepMinor: true } } });
    expect(diffSpecs(before, after)).toEqual([
      { path: 'patching.packages.exclude', before: ['nginx*'], after: ['nginx*', 'vim'] },
      { path: 'patching.packages.keepMinor', before: false, after: true },
      { path: 'patching.packages.only', before: undefined, after: 'security' },
    ]);
  });

  it('matches nodes by name, with one row for an added or removed node', () => {
    const before = spec({ nodes: [{ name: 'a', host: 'x', labels: { tier: 'gold' } }, { name: 'b' }] });
    const after = spec({
      nodes: [{ name: 'c' }, { name: 'a', host: 'y', labels: { tier: 'silver' }, hostKeys: [KEY] }],
    });
    expect(diffSpecs(before, after).map(({ path }) => path)).toEqual([
      'nodes[b]',
      'nodes[c]',
      'nodes[a].host',
      'nodes[a].labels.tier',
      'nodes[a].hostKeys',
    ]);
  });

  it('shows a machine under another name as a changed name, and what else has changed', () => {
    const at = (name: string, more: object = {}): object => ({ name, host: '10.0.0.7', hostKeys: [KEY], ...more });
    const before = spec({ nodes: [at('w-7', { labels: { tier: 'gold' } }), { name: 'w-8' }] });
    const after = spec({ nodes: [at('w-9', { labels: { tier: 'silver' } }), { name: 'w-8' }] });
    const renamed = { path: 'nodes[w-7].name', before: 'w-7', after: 'w-9' };
    expect(diffSpecs(before, after)).toEqual([
      renamed,
      { path: 'nodes[w-9].labels.tier', before: 'gold', after: 'silver' },
    ]);
    const moved = spec({ nodes: [{ name: 'w-8' }, at('w-9', { labels: { tier: 'gold' } })] });
    expect(diffSpecs(before, moved)).toEqual([
      renamed,
      { path: 'nodes', before: ['w-7', 'w-8'], after: ['w-8', 'w-9'] },
    ]);
    const elsewhere = spec({ nodes: [at('w-9', { ssh: { port: 2222 } }), { name: 'w-8' }] });
    expect(diffSpecs(before, elsewhere).map(({ path }) => path)).toEqual(['nodes[w-7]', 'nodes[w-9]']);
  });

  it('shows a changed order of the same nodes', () => {
    const [before, after] = [
      spec({ nodes: [{ name: 'a' }, { name: 'b' }] }),
      spec({ nodes: [{ name: 'b' }, { name: 'a' }] }),
    ];
    expect(diffSpecs(before, after)).toEqual([{ path: 'nodes', before: ['a', 'b'], after: ['b', 'a'] }]);
  });
});

describe('src/client/load/yaml', () => {
  const nodes = [
    {
      name: 'cp-1',
      host: '10.0.0.1',
      role: 'control-plane',
      zone: 'a',
      labels: { tier: 'true' },
      ssh: { user: 'admin' },
      hostKeys: [KEY, OTHER_KEY],
    },
    { name: 'w-1', hostKeys: [KEY] },
    { name: 'w-2', host: 'fe80::1', ssh: { port: 22, identity: '1234' } },
  ];

  it.each<[string, Record<string, unknown>]>([
    ['a weekly schedule', { patching: { schedule: 'weekly' } }],
    ['an anchor', { patching: { schedule: { preset: 'every-2-weeks', anchor: '2026-11-29' } } }],
    [
      'another startWithin',
      { patching: { schedule: { preset: 'weekly', startWithin: '24h' }, unreachableTimeout: '1h30m' } },
    ],
    ['a cron expression', { patching: { schedule: { cron: '*/5 * * * *' }, timeZone: 'Europe/Berlin' } }],
    ['a single start', { patching: { schedule: { once: '2027-03-01T02:30' } } }],
    ['several entries', { patching: { schedule: ['monthly', { preset: 'weekly', duration: '4h', cutoff: '30m' }] } }],
    [
      'an entry in its own zone',
      { patching: { schedule: { preset: 'weekly', duration: '4h', timeZone: 'Asia/Tokyo' } } },
    ],
    ['a yearly date', { patching: { schedule: { custom: { month: 3, day: 1, hour: 2, minute: 0 } } } }],
    ['nodes of every kind', { ssh: { user: 'ospatch', port: 2222, identity: 'prod', helper: 'preinstalled' }, nodes }],
    ['a task queue', { taskQueue: 'site-b' }],
    ['a Kubernetes cluster', { kubernetes: { kubeconfig: 'prod', drain: { timeout: '20m' } } }],
    ['a description that looks like YAML', { description: 'a: "b"\n- # c\n' }],
    ['a name that looks like a number', { name: '007' }],
  ])('survives a round trip: %s', (_what, parts) => {
    const original = spec(parts);
    expect(parseSpec(parse(renderSpecYaml(original))).spec).toEqual(original);
  });

  it('survives a round trip as an EKS cluster with a task queue', () => {
    const document = { apiVersion: 'ospatch/v1', name: 'x', type: 'eks', taskQueue: 'site-b' };
    const { spec: original } = parseSpec({ ...document, eks: { region: 'eu-central-1', cluster: 'x' } });
    if (original === null) throw new Error('not valid');
    expect(original).toMatchObject({ taskQueue: 'site-b' });
    expect(parseSpec(parse(renderSpecYaml(original))).spec).toEqual(original);
  });

  it('survives a round trip as an imported cluster', () => {
    const { spec: listed } = parseSpec({ apiVersion: 'ospatch/v1', name: 'x', type: 'gke' });
    if (listed === null) throw new Error('not valid');
    expect(renderSpecYaml(listed)).toBe('apiVersion: ospatch/v1\nname: x\ntype: gke\n');
  });

  it('writes common fields of several nodes at the cluster, and only those', () => {
    const some = [
      { name: 'a', ssh: { port: 2222, identity: 'prod', user: 'admin' } },
      { name: 'b', ssh: { port: 2222, identity: 'prod' } },
      { name: 'c', ssh: { identity: 'prod' } },
    ];
    const original = spec({ nodes: some });
    const written = parse(renderSpecYaml(original)) as { ssh: unknown; nodes: { ssh: unknown }[] };
    expect(written.ssh).toEqual({ identity: 'prod' });
    expect(written.nodes.map(({ ssh }) => ssh)).toEqual([
      { user: 'admin', port: 2222 },
      { user: 'ospatch', port: 2222 },
      { user: 'ospatch' },
    ]);
    expect(parseSpec(written).spec).toEqual(original);
  });

  it('leaves the fields of a single node at that node', () => {
    const original = spec({ ssh: { user: 'ospatch', port: 2222 } });
    const written = parse(renderSpecYaml(original)) as Record<string, unknown>;
    expect(written).not.toHaveProperty('ssh');
    expect(written['nodes']).toEqual([expect.objectContaining({ ssh: { user: 'ospatch', port: 2222 } })]);
    expect(parseSpec(written).spec).toEqual(original);
  });
});
