import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSpecs } from '../../../src/client/load/spec';
import type { LoadSpecsOptions } from '../../../src/client/load/spec';
import { KEY, OTHER_KEY } from '../../domain/spec/spec-document';

const now = Date.parse('2026-11-23T12:00:00Z');
const HEADER = 'apiVersion: ospatch/v1\nname: prod-eu\nssh: {user: root}\n';
const NODE = `nodes:\n  - name: w-1\n    host: 10.0.0.12\n    hostKeys: ["${KEY}"]\n`;

describe('src/client/load/spec', () => {
  let cwd: string;

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'ospatch-spec-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  function write(name: string, content: string | Uint8Array): void {
    writeFileSync(join(cwd, name), content);
  }

  function load(source: string, options: Partial<LoadSpecsOptions> = {}) {
    return loadSpecs(source, { now, requireHostKeys: true, cwd, ...options });
  }

  async function problemsOf(source: string, options: Partial<LoadSpecsOptions> = {}): Promise<string[]> {
    const { problems } = await load(source, options);
    return problems.map(({ file, line, column, path, message }) => `${file}:${line}:${column}: ${path}: ${message}`);
  }

  async function problemsIn(text: string, options: Partial<LoadSpecsOptions> = {}): Promise<string[]> {
    write('a.yaml', text);
    return problemsOf('a.yaml', options);
  }

  describe('places', () => {
    it('point at the value, at an unknown key, and at the mapping with a missing key', async () => {
      const text = `apiVersion: ospatch/v1
name: prod-eu
patching:
  schedule: fortnightly
  patchOnBoot:
ssh:
  user: root
  porrt: 22
nodes:
  - name: a
    hostKeys: ["${KEY}"]
    ssh: {port: 70000}
  - host: b
    hostKeys: ["${KEY}"]
`;
      expect((await problemsIn(text)).map((problem) => problem.slice(0, problem.indexOf(': ', 15)))).toEqual([
        'a.yaml:4:13: patching.schedule',
        'a.yaml:5:3: patching.patchOnBoot',
        'a.yaml:8:3: ssh.porrt',
        'a.yaml:12:17: nodes[0].ssh.port',
        'a.yaml:13:5: nodes[1].name',
      ]);
    });

    it('follow aliases and count lines over several documents', async () => {
      const text = `${HEADER}${NODE}---\n${HEADER.replace('prod-eu', 'b')}x: &p {port: 0}\nnodes:\n  - {name: a, hostKeys: ["${KEY}"], ssh: *p}\n`;
      const places = (await problemsIn(text)).map((problem) => problem.split(': ').slice(0, 2).join(' '));
      expect(places).toEqual(['a.yaml:12:1 x', 'a.yaml:12:14 nodes[0].ssh.port']);
    });
  });

  describe('schedules', () => {
    it('give the location of an unknown key inside and beside the date', async () => {
      const text = `${HEADER}patching:\n  schedule:\n    custom: {month: 1, day: 2, hour: 3, minute: 4, second: 5}\n    year: 1\n${NODE}`;
      expect(await problemsIn(text)).toEqual([
        'a.yaml:6:52: patching.schedule.custom.second: unknown key; allowed: month, day, hour, minute',
        'a.yaml:7:5: patching.schedule.year: unknown key; allowed: custom, startWithin, spread, duration, cutoff, timeZone',
      ]);
    });
  });

  describe('broken files', () => {
    it.each<[string, string, RegExp]>([
      ['a tab', 'a:\n\t- b\n', /^a\.yaml:2:1: : not valid YAML: Tabs are not allowed/],
      ['an open bracket', 'a: [1, 2\n', /^a\.yaml:\d:\d+: : not valid YAML: /],
      ['no mapping', '- a\n', /^a\.yaml:1:1: : found a list; allowed: a mapping/],
      ['only empty documents', '---\n---\n# nothing\n', /^a\.yaml:null:null: : holds no spec/],
      ['nothing', '', /^a\.yaml:null:null: : holds no spec/],
      ['an alias that is not there', 'a: *b\n', /^a\.yaml:1:\d: : not valid YAML: .*b/],
    ])('with %s are one clear problem', async (_what, text, expected) => {
      expect(await problemsIn(text)).toEqual([expect.stringMatching(expected)]);
    });

    it('with a duplicate key name its location and report later problems too', async () => {
      const found = await problemsIn(`${HEADER}name: other\nextra: 1\n${NODE}`);
      expect(found).toEqual([
        'a.yaml:4:1: : not valid YAML: the key "name" comes twice (first in line 2); remove one of the two',
        expect.stringMatching(/^a\.yaml:5:1: extra: unknown key/),
      ]);
    });

    it('with a duplicate key deep inside name that key', async () => {
      const twice = `${HEADER}${NODE}    ssh: {port: 22, user: a, port: 23}\n`;
      expect(await problemsIn(twice)).toEqual([
        'a.yaml:8:30: : not valid YAML: the key "port" comes twice (first in line 8); remove one of the two',
      ]);
      expect((await load('a.yaml')).clusters).toEqual([]);
    });

    it('that expand without end through aliases are rejected', async () => {
      const levels = Array.from(
        { length: 12 },
        (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`,
      );
      expect(await problemsIn(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toEqual([
        expect.stringMatching(/not valid YAML: Excessive alias count/),
      ]);
    });

    it.each<[string, Buffer, string]>([
      ['other bytes than UTF-8', Buffer.from([0x6e, 0xff, 0xfe]), 'is not UTF-8 text'],
      ['more than 8 MiB', Buffer.alloc(8 * 1_048_576 + 1, '#'), 'is larger than 8 MiB; split it into several files'],
    ])('with %s are rejected', async (_what, content, message) => {
      write('a.yaml', content);
      expect(await problemsOf('a.yaml')).toEqual([`a.yaml:null:null: : ${message}`]);
    });

    it('that never end are read up to the limit', async () => {
      expect(await problemsOf('/dev/zero')).toEqual([expect.stringMatching(/is larger than 8 MiB/)]);
    });

    it('that cannot be read have a remedy of their own', async () => {
      symlinkSync('loop.yaml', join(cwd, 'loop.yaml'));
      write('blank.yaml', '# nothing\n');
      for (const [file, remedy] of [
        ['none.yaml', /that exists/],
        ['loop.yaml', /the file itself/],
        ['blank.yaml', /docs\/spec\.md/],
      ] as const) {
        expect((await load(file)).problems).toMatchObject([{ remedy: expect.stringMatching(remedy) }]);
      }
    });

    it('that do not exist, and directories without YAML files, are reported', async () => {
      mkdirSync(join(cwd, 'empty'));
      expect(await problemsOf('none.yaml')).toEqual(['none.yaml:null:null: : does not exist']);
      expect(await problemsOf('empty')).toEqual(['empty:null:null: : has no *.yaml or *.yml file in it']);
    });
  });

  describe('sources', () => {
    it('include the YAML files of a directory in order, not those of its subdirectories', async () => {
      mkdirSync(join(cwd, 'd/sub'), { recursive: true });
      for (const [file, name] of [
        ['b.yml', 'two'],
        ['a.yaml', 'one'],
        ['c.txt', 'no'],
        ['sub/d.yaml', 'no'],
      ]) {
        write(join('d', file ?? ''), HEADER.replace('prod-eu', name ?? '') + NODE);
      }
      const { specs, files, valid } = await load('d');
      expect([specs.map(({ name }) => name), files, valid]).toEqual([['one', 'two'], ['d/a.yaml', 'd/b.yml'], true]);
    });

    it('include standard input for -', async () => {
      const { specs, files } = await load('-', { stdin: () => Promise.resolve(HEADER + NODE) });
      expect([specs.map(({ name }) => name), files]).toEqual([['prod-eu'], ['<stdin>']]);
    });

    it('may hold empty documents but not one cluster twice', async () => {
      const found = await problemsIn(`---\n---\n${HEADER}${NODE}---\n${HEADER}${NODE}`);
      expect(found).toEqual([
        'a.yaml:12:7: name: found "prod-eu", already the name of the cluster at a.yaml:4; allowed: each cluster once',
      ]);
    });
  });

  it('warn of two clusters with the same machine', async () => {
    const other = `${HEADER.replace('prod-eu', 'old-eu')}${NODE}`;
    expect(await problemsIn(`${HEADER}${NODE}---\n${other}`)).toEqual([
      expect.stringContaining(
        'nodes[0].host: w-1 and node w-1 of cluster prod-eu have the same address, so both patch and reboot one machine, each in its own windows; remove the node from one of the two',
      ),
    ]);
  });

  describe('single starts in the past', () => {
    const text = `${HEADER}patching: {schedule: {once: "2026-11-01T00:00"}}\n${NODE}`;

    it('are errors for new clusters only, and only on request', async () => {
      expect(await problemsIn(text)).toHaveLength(1);
      const warned = [expect.stringContaining('so no further run starts')];
      expect(await problemsIn(text, { isNew: (name) => name !== 'prod-eu' })).toEqual(warned);
      expect(await problemsIn(text, { isNew: false })).toEqual(warned);
    });
  });

  describe('host keys', () => {
    const bare = `${HEADER}nodes:\n  - {name: w-1, host: 10.0.0.12}\n`;

    async function keysOf(text: string): Promise<string[][]> {
      write('a.yaml', text);
      const { specs, problems } = await load('a.yaml');
      expect(problems).toEqual([]);
      return specs.flatMap((spec) => (spec.type === 'self-managed' ? spec.nodes.map(({ hostKeys }) => hostKeys) : []));
    }

    it('are embedded from the known_hosts file beside the spec, each node its own', async () => {
      const salt = Buffer.alloc(20, 1);
      const hash = createHmac('sha1', salt).update('[10.0.0.13]:2222').digest('base64');
      write('hosts', `10.0.0.12 ${KEY} a\n|1|${salt.toString('base64')}|${hash} ${OTHER_KEY}\nother ${KEY}\n`);
      const text = `${HEADER.replace('root', 'root, knownHosts: hosts')}nodes:\n  - {name: w-1, host: 10.0.0.12}\n  - {name: w-2, host: 10.0.0.13, ssh: {port: 2222}}\n`;
      expect(await keysOf(text)).toEqual([[KEY], [OTHER_KEY]]);
    });

    it("come from the user's known_hosts when the spec names no file", async () => {
      write('known_hosts', `10.0.0.12 ${KEY}\n`);
      expect(await keysOf(bare)).toEqual([[KEY]]);
    });

    it('in the spec are the only trusted ones of that node', async () => {
      write('known_hosts', `10.0.0.12 ${OTHER_KEY}\n`);
      expect(await keysOf(HEADER + NODE)).toEqual([[KEY]]);
    });

    it('are reported as missing per node, with the remedy, unless optional', async () => {
      const remedy = 'read and check it with: ospatch enroll -f a.yaml';
      expect(await problemsIn(bare)).toEqual([
        `a.yaml:5:5: nodes[0].hostKeys: missing: no host key in the spec, and there is no file known_hosts beside the spec; ${remedy}`,
      ]);
      write('known_hosts', `10.0.0.99 ${KEY}\n`);
      expect(await problemsIn(bare)).toEqual([
        `a.yaml:5:5: nodes[0].hostKeys: missing: no host key in the spec, and known_hosts has no entry for 10.0.0.12; ${remedy}`,
      ]);
      expect(await problemsIn(bare, { requireHostKeys: false })).toEqual([]);
    });

    it('are reported together with the other errors of the document', async () => {
      const found = await problemsIn(bare.replace('{name: w-1', '{nam: w-1'));
      expect(found.map((problem) => problem.split(': ')[1])).toEqual(['nodes[0].hostKeys', 'nodes[0].nam']);
    });

    it('of a certificate authority count for the OpenSSH client only', async () => {
      write('known_hosts', `@cert-authority * ${KEY}\n@revoked * ${OTHER_KEY}\n`);
      expect((await problemsIn(bare))[0]).toContain('host certificates need ssh.transport: openssh');
      const openssh = bare.replace('root', 'root, transport: openssh');
      expect(await keysOf(openssh)).toEqual([[`@cert-authority ${KEY}`, `@revoked ${OTHER_KEY}`]]);
      write('known_hosts', `@cert-authority * ${KEY}\n10.0.0.12 ${OTHER_KEY}\n`);
      expect(await keysOf(bare)).toEqual([[OTHER_KEY]]);
      const pinned = (HEADER + NODE).replace(KEY, `@cert-authority ${KEY}`);
      expect((await problemsIn(pinned))[0]).toContain(
        'nodes[0].hostKeys: found only certificate authorities, which the builtin transport cannot use',
      );
      expect(await keysOf(pinned.replace('root', 'root, transport: openssh'))).toEqual([[`@cert-authority ${KEY}`]]);
    });

    it('of jump hosts come from the spec or known_hosts, under the name and port of each', async () => {
      const jump = 'jump: [{host: bastion.example}, {host: 10.1.0.1, port: 2222, user: hop, identity: hop}]';
      const behind = bare.replace('root', `root, ${jump}`);
      write('known_hosts', `10.0.0.12 ${KEY}\nbastion.example ${KEY}\n10.1.0.1 ${KEY}\n`);
      expect((await problemsIn(behind))[0]).toContain(
        'ssh.jump[1].hostKeys: missing: no host key in the spec, and known_hosts has no entry for [10.1.0.1]:2222',
      );
      write('known_hosts', `10.0.0.12 ${KEY}\nbastion.example ${KEY}\n[10.1.0.1]:2222 ${OTHER_KEY}\n`);
      write('a.yaml', behind);
      const { specs } = await load('a.yaml');
      expect(specs[0]?.type === 'self-managed' && specs[0].nodes[0]?.ssh.jump).toEqual([
        { host: 'bastion.example', port: 22, user: 'root', identity: 'agent', hostKeys: [KEY] },
        { host: '10.1.0.1', port: 2222, user: 'hop', identity: 'hop', hostKeys: [OTHER_KEY] },
      ]);
    });

    it('that are revoked are never embedded, and rejected when pinned', async () => {
      write('known_hosts', `10.0.0.12 ${KEY}\n@revoked * ${KEY}\n`);
      expect((await problemsIn(bare))[0]).toContain('every host key of 10.0.0.12 in known_hosts is @revoked');
      expect((await problemsIn(HEADER + NODE))[0]).toContain(
        'nodes[0].hostKeys[0]: found a key that known_hosts marks as @revoked',
      );
      const both = (HEADER + NODE).replace(`"${KEY}"`, `"${OTHER_KEY}", "@revoked ${OTHER_KEY}"`);
      expect((await problemsIn(both))[0]).toContain('found a key that this list marks as @revoked');
    });

    it('never come from a file in another place', async () => {
      mkdirSync(join(cwd, 'd'));
      write('hosts', `10.0.0.12 ${KEY}\n`);
      write('d/a.yaml', bare.replace('root', 'root, knownHosts: ../hosts'));
      expect((await load('d/a.yaml')).valid).toBe(false);
    });

    it('in an unreadable file are a problem of ssh.knownHosts', async () => {
      mkdirSync(join(cwd, 'known_hosts'));
      expect((await problemsIn(bare))[0]).toContain('ssh.knownHosts: found "known_hosts", which is a directory');
      rmSync(join(cwd, 'known_hosts'), { recursive: true });
      write('known_hosts', `10.0.0.12 ${KEY}\n`);
      chmodSync(join(cwd, 'known_hosts'), 0o400);
      expect(await keysOf(bare)).toEqual([[KEY]]);
    });

    it('report which known_hosts file a cluster uses', async () => {
      write('a.yaml', bare);
      const { clusters } = await load('a.yaml', { requireHostKeys: false });
      expect(clusters.map(({ knownHostsPath }) => knownHostsPath)).toEqual([join(cwd, 'known_hosts')]);
    });
  });
});
