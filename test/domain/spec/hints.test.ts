/** What people write out of habit, and whether the error tells them what they meant. */
import { parseDocuments } from '../../../src/client/load/documents';
import { parseSpec } from '../../../src/domain/spec/parse';
import { renderPath } from '../../../src/domain/spec/issues';

const BASE = {
  ...{ apiVersion: 'ospatch/v1', name: 'x', type: 'self-managed', ssh: { user: 'root', identity: 'id' } },
  ...{ patching: { rebootIfRequired: true }, nodes: [{ name: 'a', host: '10.0.0.1' }] },
};

function problemsOf(change: object): string[] {
  return parseSpec({ ...BASE, ...change }).issues.map(({ path, message }) => `${renderPath(path)}: ${message}`);
}

const node = (fields: object): object => ({ nodes: [{ name: 'a', ...fields }] });
const patching = (fields: object): object => ({ patching: { rebootIfRequired: true, ...fields } });

describe('src/domain/spec/hints', () => {
  it.each<[object, string]>([
    [patching({ schedule: '0 2 * * *' }), 'patching.schedule: found "0 2 * * *"; write {cron: "0 2 * * *"}; allowed'],
    [patching({ schedule: 'biweekly' }), 'patching.schedule: found "biweekly"; did you mean "every-2-weeks"?'],
    [{ schedule: 'weekly' }, 'schedule: unknown key; the key belongs to patching.schedule; allowed here'],
    [{ timezone: 'UTC' }, 'timezone: unknown key; the key belongs to patching.timeZone; allowed here'],
    [{ concurrency: 3 }, 'concurrency: unknown key; the key belongs to patching.rollout.concurrency; allowed here'],
    [{ reboot: true }, 'reboot: unknown key; the key belongs to patching.rebootIfRequired; allowed here'],
    [node({ port: 22 }), 'nodes[0].port: unknown key; the key belongs to ssh.port; allowed here'],
    [node({ username: 'x' }), 'nodes[0].username: unknown key; the key belongs to ssh.user; allowed here'],
    [node({ hostname: 'h' }), 'nodes[0].hostname: unknown key; did you mean "host"?'],
    [node({ role: 'master' }), 'nodes[0].role: found "master"; did you mean "control-plane"?'],
    [node({ host: '10.0.0.1:22' }), 'nodes[0].host: found "10.0.0.1:22"; the port belongs to ssh.port; allowed'],
    [node({ host: 'ssh://w-1' }), 'nodes[0].host: found "ssh://w-1"; leave out ssh://; allowed'],
    [node({ host: '[fe80::1]' }), 'nodes[0].host: found "[fe80::1]"; leave out the brackets; allowed'],
    [node({ '<<': {} }), 'nodes[0]["<<"]: unknown key; YAML merge keys are not read'],
    [{ ssh: { user: { '{ user: null }': null } } }, 'ssh.user: found a mapping; YAML reads {{ }} as a mapping'],
  ])('%j', (change, problem) => {
    expect(problemsOf(change)).toContainEqual(expect.stringContaining(problem));
  });

  it.each([
    { ssh: { user: 'root', identity: '-----BEGIN OPENSSH PRIVATE KEY-----\nplanted' } },
    { ssh: { user: 'root', identity: '/home/planted' } },
    { ssh: { user: 'root', password: 'planted' } },
    node({ host: 'root:planted@10.0.0.1' }),
    node({ host: 'https://x:planted@y' }),
    node({ password: 'planted', ssh: { identity: 'planted planted' } }),
    { ssh: { user: 'root', jump: [{ host: 'x:planted@y', identity: 'planted planted' }] } },
  ])('shows no value that may be a secret: %#', (change) => {
    const problems = problemsOf(change);
    expect(problems).not.toEqual([]);
    expect(problems.join('\n')).not.toContain('planted');
  });

  it.each([
    ['a: 1\nb: "open\nc: 2\n', 2, /^not valid YAML: the quote that opens here is not closed$/],
    ["a: 1\nb: 'open\nc: 2\nd: 'x'\n", 2, /the quote that opens here is not closed$/],
    ['a: "x"\nb: [1\nc: 2\n', 3, /^(?!.*quote)/],
  ])('finds where the quote opens in %j', (text, line, message) => {
    expect(parseDocuments(text).problems).toEqual([
      expect.objectContaining({ line, message: expect.stringMatching(message) }),
    ]);
  });
});
