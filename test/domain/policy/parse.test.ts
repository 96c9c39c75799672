import { parsePolicy } from '../../../src/domain/policy/parse';
import { renderPath } from '../../../src/domain/spec/issues';

const RULE = { name: 'a', clusters: ['*'] };

function problems(rule: object, document: object = {}): string[] {
  const { issues } = parsePolicy({ version: 1, rules: [{ ...RULE, ...rule }], ...document });
  return issues.map(({ path, message }) => `${renderPath(path)}: ${message}`);
}

describe('domain/policy/parse', () => {
  it('accepts a document that allows nothing', () => {
    expect(parsePolicy({ version: 1, rules: [] }).policy).toEqual({ version: 1, rules: [] });
  });

  it.each([
    [
      { hosts: ['10.0.0.0/33'] },
      /^rules\[0\]\.hosts\[0\]: found "10\.0\.0\.0\/33"; bits are set after the prefix, or the prefix is too long; allowed: a network/,
    ],
    [{ hosts: ['10.0.0.1/16'] }, /bits are set after the prefix/],
    [{ hosts: ['10.0.*.*'] }, /addresses have no globs and no short forms: write a network/],
    [{ hosts: ['010.0.0.1'] }, /no short forms/],
    [{ hosts: ['::ffff:0:0/96'] }, /write the network in IPv4 notation/],
    [{ hosts: ['prod.example.com/24'] }, /that is no network/],
    [{ hosts: ['https://x'] }, /allowed: a network/],
    [{ hosts: ['w1.example.com.'] }, /allowed: a network/],
    [{ hosts: '10.0.0.0/8' }, /^rules\[0\]\.hosts: found "10\.0\.0\.0\/8"; allowed: a list of at most 2000 networks/],
    [{ ports: ['22'] }, /^rules\[0\]\.ports\[0\]: found "22".*allowed: a whole number from 1 to 65535/],
    [{ identities: ['/root/.ssh/id'] }, /^rules\[0\]\.identities\[0\]: found .*allowed: the bare name of a key file/],
    [{ jumpHosts: [{ host: 'b', user: ['x'] }] }, /^rules\[0\]\.jumpHosts\[0\]/],
    [
      { kubeconfigs: ['prod.yaml'] },
      /^rules\[0\]\.kubeconfigs\[0\]: found "prod\.yaml"; allowed: a mapping with file and contexts/,
    ],
    [{ aws: { endpoints: ['http://127.0.0.1'] } }, /allowed: an https address without a path/],
    [{ verified: ['reboot'] }, /allowed: patch, apply, remove, ignore-window/],
    [{ clusters: [] }, /found an empty list; allowed: at least one name of a cluster/],
    [{ host: ['10.0.0.1'] }, /^rules\[0\]\.host: unknown key; did you mean "hosts"\?/],
    [{ name: undefined }, /^rules\[0\]\.name: missing/],
  ])('explains the mistake in %j', (rule, message) => {
    expect(problems(rule)).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    [{ version: 2 }, /^version: found 2; allowed: 1/],
    [{ knownHosts: '../known_hosts' }, /^knownHosts: found "\.\.\/known_hosts"; allowed: the bare name of a file/],
    [{ rules: undefined }, /^rules: missing; allowed: a list of at most 500 rules/],
    [{ rules: [RULE, RULE] }, /^rules\[1\]\.name: found "a", already the name of rules\[0\]/],
  ])('explains the mistake in the document %j', (document, message) => {
    expect(problems({}, document)).toEqual([expect.stringMatching(message)]);
  });
});
