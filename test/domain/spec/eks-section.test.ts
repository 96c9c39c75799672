import { parseSpec, validateSpecObject } from '../../../src/domain/spec/parse';
import { renderPath } from '../../../src/domain/spec/issues';

const HEADER = { apiVersion: 'ospatch/v1', name: 'prod', type: 'eks' };
const EKS = { region: 'eu-central-1', cluster: 'Prod_1' };

function issuesOf(document: object): string[] {
  return parseSpec({ ...HEADER, ...document }).issues.map(({ path, message }) => `${renderPath(path)}: ${message}`);
}

describe('src/domain/spec/eks-section', () => {
  it('fills in every default, and a normalised spec stays equal', () => {
    const { spec } = parseSpec({ ...HEADER, eks: EKS, patching: { schedule: 'weekly' } });
    expect(spec).toEqual({
      ...HEADER,
      eks: { ...EKS, nodeGroups: 'all', force: false, launchTemplates: false },
      patching: {
        maxRunAge: '14d',
        timeZone: 'UTC',
        schedule: [{ preset: 'weekly', startWithin: '1h' }],
        rollout: { maxFailures: 0, onExceeded: 'stop' },
      },
    });
    expect(validateSpecObject(spec)).toEqual({ ok: true, spec });
  });

  it('accepts a list of node groups in its order, a profile and an endpoint', () => {
    const eks = {
      ...EKS,
      nodeGroups: ['b', 'A_1'],
      force: true,
      profile: 'patching',
      endpoint: 'https://vpce-1.example/',
    };
    expect(parseSpec({ ...HEADER, eks }).spec).toMatchObject({ eks: { ...eks, endpoint: 'https://vpce-1.example' } });
  });

  it.each(['http://127.0.0.1:4566', 'http://localhost:80', 'http://[::1]:1', 'https://eks.eu-central-1.amazonaws.com'])(
    'accepts the endpoint %s',
    (endpoint) => {
      expect(issuesOf({ eks: { ...EKS, endpoint } })).toEqual([]);
    },
  );

  it.each([
    ...['http://example.com', 'http://127.0.0.1.example.com', 'https://user:pw@example.com', 'ftp://x', 'https://'],
    ...['http://localhost:80/path', 'http://169.254.169.254', '', 'https://x y'],
  ])('rejects the endpoint %j', (endpoint) => {
    expect(issuesOf({ eks: { ...EKS, endpoint } })).toEqual([
      expect.stringMatching(/^eks\.endpoint: found .*an https address/),
    ]);
  });

  it.each([
    ['nodeGroups', 'some', 'eks.nodeGroups: found "some"; allowed: all, or a list of 1 to 500 names of node groups'],
    ['nodeGroups', [], 'eks.nodeGroups: found an empty list; allowed: all, or a list of 1 to 500 names of node groups'],
    [
      'nodeGroups',
      ['a', 'b/c'],
      'eks.nodeGroups[1]: found "b/c"; allowed: the name of a node group: at most 63 letters, digits, hyphens and underscores',
    ],
    ['nodeGroups', ['a', 'a'], 'eks.nodeGroups: found "a" twice; allowed: each name once'],
    ['region', 'Frankfurt', 'eks.region: found "Frankfurt"; allowed: an AWS region, e.g. eu-central-1'],
    [
      'cluster',
      '../x',
      'eks.cluster: found "../x"; allowed: the name of an EKS cluster: at most 100 letters, digits, hyphens and underscores',
    ],
    ['force', 'yes', 'eks.force: found "yes"; allowed: true, false'],
    [
      'profile',
      '/root/.aws',
      'eks.profile: found "/root/.aws"; allowed: the bare name of a profile in the AWS configuration of the worker, e.g. patching',
    ],
    [
      'accessKey',
      'x',
      'eks.accessKey: unknown key; allowed: region, cluster, nodeGroups, force, launchTemplates, profile, endpoint',
    ],
  ])('reports what is wrong with eks.%s: %j', (key, value, message) => {
    expect(issuesOf({ eks: { ...EKS, [key]: value } })).toEqual([message]);
  });

  it('requires the EKS cluster name', () => {
    expect(issuesOf({})).toEqual(['eks: missing; allowed: a mapping with at least region and cluster']);
    expect(issuesOf({ eks: {} }).join('\n')).toMatch(/eks\.region: missing[\s\S]*eks\.cluster: missing/);
  });

  it.each([
    ...['patchOnBoot', 'rebootIfRequired', 'rebootCommand', 'powerCycleHook', 'packages', 'unreachableTimeout'],
    'withoutDrain',
  ])('rejects patching.%s in one sentence with the reason', (key) => {
    expect(issuesOf({ eks: EKS, patching: { [key]: true } })).toEqual([
      expect.stringMatching(new RegExp(`^patching\\.${key}: not for a cluster of type eks: AWS .*; remove it$`)),
    ]);
  });

  it.each(['nodes', 'ssh', 'kubernetes'])('rejects %s in one sentence with the reason', (key) => {
    expect(issuesOf({ eks: EKS, [key]: {} })).toEqual([
      expect.stringMatching(new RegExp(`^${key}: not for a cluster of type eks: AWS .*; remove it$`)),
    ]);
  });

  it('rejects an order of roles and describes a schedule like that of every cluster', () => {
    expect(issuesOf({ eks: EKS, patching: { rollout: { order: 'workers-first' }, schedule: 'wekly' } })).toEqual([
      expect.stringContaining('patching.schedule: found "wekly"; did you mean "weekly"?'),
      expect.stringMatching(/^patching\.rollout\.order: not for a cluster of type eks: node groups have no roles/),
    ]);
    expect(
      issuesOf({ eks: EKS, patching: { schedule: { custom: { month: 2, day: 29, hour: 0, minute: 0 } } } }),
    ).toEqual([expect.stringContaining('leap years only')]);
  });

  it('accepts stored specs of a time without node group names, but no such new file', () => {
    expect(validateSpecObject(HEADER)).toEqual({ ok: true, spec: HEADER });
    expect(validateSpecObject({ ...HEADER, patching: {} })).toMatchObject({ ok: false });
    expect(parseSpec(HEADER).spec).toBeNull();
  });
});
