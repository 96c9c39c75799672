import { validateSpecObject } from '../../../src/domain/spec/parse';
import { issuesOf, KEY, OTHER_KEY, specDocument, specOf, withSchedule } from './spec-document';

describe('src/domain/spec/parse', () => {
  describe('normalising', () => {
    it('fills in every default', () => {
      expect(specOf(specDocument({ nodes: [{ name: 'w-1' }] }))).toEqual({
        apiVersion: 'ospatch/v1',
        name: 'prod-eu',
        type: 'self-managed',
        patching: {
          patchOnBoot: false,
          rebootIfRequired: false,
          timeZone: 'UTC',
          rollout: { order: 'workers-first', concurrency: 1, zones: 'any', maxFailures: 0, onExceeded: 'stop' },
          prefetch: 'before-drain',
          unreachableTimeout: '10m',
          lockTimeout: '2h',
          maxRunAge: '14d',
          onWindowEnd: 'finish-node',
          withoutDrain: false,
          packages: {
            exclude: [],
            includeKubernetes: false,
            allowRemovals: false,
            keepMinor: false,
            phasedUpdates: 'default',
            onHidden: 'warn',
          },
        },
        nodes: [
          {
            name: 'w-1',
            host: 'w-1',
            role: 'worker',
            ssh: { user: 'ospatch', port: 22, identity: 'agent', helper: 'auto' },
            hostKeys: [],
          },
        ],
      });
    });

    it.each([
      ['weekly', { preset: 'weekly', startWithin: '1h' }],
      ['every-2-weeks', { preset: 'every-2-weeks', startWithin: '1h' }],
      ['monthly', { preset: 'monthly', startWithin: '24h' }],
      [
        '{preset: every-2-weeks, anchor: 2026-11-29, startWithin: 2h}',
        { preset: 'every-2-weeks', anchor: '2026-11-29', startWithin: '2h' },
      ],
      [
        '{custom: {month: 3, day: 1, hour: 2, minute: 30}}',
        { custom: { month: 3, day: 1, hour: 2, minute: 30 }, startWithin: '24h' },
      ],
      ['{cron: " 30 2 * *  SUN#2"}', { cron: '30 2 * * SUN#2', startWithin: '24h' }],
      ['{once: "2027-03-01 02:30"}', { once: '2027-03-01T02:30', startWithin: '24h' }],
    ])('expands the schedule %s', (yaml, schedule) => {
      expect(specOf(withSchedule(yaml))).toMatchObject({ patching: { schedule: [schedule] } });
    });

    it("lets a node's ssh override the cluster's field by field", () => {
      const document = specDocument({
        ssh: { user: 'ospatch', port: 2222, identity: 'prod-eu', helper: 'preinstalled' },
        nodes: [{ name: 'cp-1', ssh: { user: 'admin' } }],
      });
      expect(specOf(document)).toMatchObject({
        nodes: [{ ssh: { user: 'admin', port: 2222, identity: 'prod-eu', helper: 'preinstalled' } }],
      });
    });

    it('keeps each host key once, without its comment', () => {
      const document = specDocument({ nodes: [{ name: 'w-1', hostKeys: [`${KEY} root@w-1`, KEY, OTHER_KEY] }] });
      expect(specOf(document)).toMatchObject({ nodes: [{ hostKeys: [KEY, OTHER_KEY] }] });
    });

    it('leaves a normalised spec unchanged', () => {
      const spec = specOf(specDocument({ description: 'x', patching: { schedule: 'weekly' } }));
      expect(validateSpecObject(spec)).toEqual({ ok: true, spec });
      expect(validateSpecObject(JSON.parse(JSON.stringify(spec)))).toEqual({ ok: true, spec });
    });
  });

  describe('problems', () => {
    it.each<[string, Record<string, unknown>, string[]]>([
      [
        'another version',
        { apiVersion: 'ospatch/v2' },
        ['apiVersion: found "ospatch/v2"; did you mean "ospatch/v1"? allowed: ospatch/v1'],
      ],
      [
        'a misspelt key',
        { nmae: 'x' },
        [
          'nmae: unknown key; did you mean "name"? allowed: apiVersion, name, description, type, patching, kubernetes, alerts, taskQueue, notifications, ssh, nodes',
        ],
      ],
      [
        'a misspelt type',
        { type: 'self_managed' },
        [
          'type: found "self_managed"; did you mean "self-managed"? allowed: self-managed, imported, eks, aks, gke, managed',
        ],
      ],
      [
        'a flag in words',
        { patching: { patchOnBoot: 'yes' } },
        ['patching.patchOnBoot: found "yes"; allowed: true, false'],
      ],
      ['no nodes', { nodes: [] }, ['nodes: found an empty list; allowed: a list of 1 to 5000 nodes']],
      ['nodes left empty', { nodes: null }, ['nodes: found nothing; allowed: a list of 1 to 5000 nodes']],
      [
        'a duration without unit',
        { patching: { unreachableTimeout: '10' } },
        [
          'patching.unreachableTimeout: found "10"; did you mean "10s"? allowed: a duration with a unit, e.g. 90s, 30m, 1h30m or 2d, from 10s to 1d',
        ],
      ],
      [
        'a path as identity',
        { ssh: { user: 'root', identity: '../id' } },
        [
          "ssh.identity: found a path (not shown); allowed: the bare name of a key file in the worker's key directory (no path, no leading dot), agent, or one key of the agent: agent:SHA256:FINGERPRINT, as `ssh-add -l` shows it",
        ],
      ],
      [
        'a path as knownHosts',
        { ssh: { user: 'root', knownHosts: '/etc/x' } },
        [
          'ssh.knownHosts: found "/etc/x"; allowed: the bare name of a file beside the spec (no path), e.g. known_hosts',
        ],
      ],
      [
        'no user at all',
        { ssh: {} },
        ['ssh.user: missing; allowed: root, or a user that may run sudo -n; set it here or in ssh of each node'],
      ],
    ])('%s', (_what, parts, expected) => {
      expect(issuesOf(specDocument(parts))).toEqual(expected);
    });

    it('are all reported at once', () => {
      const document = {
        name: 'Prod',
        patching: { timeZone: 5, rollout: { order: 'worker-first' } },
        ssh: { user: 'root', port: 0 },
        nodes: [{ name: 'a' }, { name: 'a', host: '10.0.0.300' }, { nam: 'b', labels: { tier: 1 } }],
      };
      expect(issuesOf(document).map((issue) => issue.slice(0, issue.indexOf(': ')))).toEqual([
        'apiVersion',
        'name',
        'patching.timeZone',
        'patching.rollout.order',
        'ssh.port',
        'nodes[1].host',
        'nodes[2].labels.tier',
        'nodes[2].nam',
        'nodes[1].name',
      ]);
    });

    it('in a document that is no mapping are one sentence', () => {
      const allowed = 'allowed: a mapping with apiVersion, name, type, patching, ssh and nodes';
      expect(issuesOf(['a'])).toEqual([`: found a list; ${allowed}`]);
      expect(issuesOf('text')).toEqual([`: found "text"; ${allowed}`]);
    });

    it('name the nodes without a user when only some have one', () => {
      const nodes = [{ name: 'a', ssh: { user: 'root' } }, { name: 'b' }];
      expect(issuesOf(specDocument({ ssh: {}, nodes }))).toEqual([
        'nodes[1].ssh.user: missing; allowed: root, or a user that may run sudo -n; set it here or in ssh of the cluster',
      ]);
    });

    it('include more than 5,000 nodes, and not exactly 5,000', () => {
      const nodes = Array.from({ length: 5_001 }, (_, index) => ({ name: `n-${index}` }));
      expect(issuesOf(specDocument({ nodes }))).toEqual([
        'nodes: found 5001 nodes; allowed: at most 5000 in one cluster; split it',
      ]);
      expect(issuesOf(specDocument({ nodes: nodes.slice(1) }))).toEqual([]);
    });
  });

  describe('duplicates', () => {
    it('reject a repeated node name', () => {
      const nodes = [
        { name: 'a', host: 'x' },
        { name: 'a', host: 'y' },
      ];
      expect(issuesOf(specDocument({ nodes }))).toEqual([
        'nodes[1].name: found "a", already the name of nodes[0]; allowed: each name once',
      ]);
    });

    it.each([
      [{ host: 'Db.example.com' }, { host: 'db.EXAMPLE.com' }],
      [{ host: '::1' }, { host: '0:0:0:0:0:0:0:1' }],
      [{ host: '10.0.0.1', ssh: { port: 22 } }, { host: '10.0.0.1' }],
    ])('reject the addresses %j and %j', (a, b) => {
      const [issue, ...more] = issuesOf(
        specDocument({
          nodes: [
            { name: 'a', ...a },
            { name: 'b', ...b },
          ],
        }),
      );
      expect([issue, more]).toEqual([
        expect.stringMatching(/^nodes\[1\]\.host: .*already the address of nodes\[0\]/),
        [],
      ]);
    });

    it('accept one host with two ports', () => {
      const nodes = [
        { name: 'a', host: 'x' },
        { name: 'b', host: 'x', ssh: { port: 2222 } },
      ];
      expect(issuesOf(specDocument({ nodes }))).toEqual([]);
    });
  });

  describe('clusters that are not patched by ospatch', () => {
    it.each(['imported', 'eks', 'aks', 'gke', 'managed'])('of type %s have a header only', (type) => {
      const header = { apiVersion: 'ospatch/v1', name: 'x', type, description: 'y' };
      expect(validateSpecObject(header)).toEqual({ ok: true, spec: header });
    });

    it.each(['patching', 'nodes', 'ssh'])('reject %s with the reason', (key) => {
      expect(issuesOf({ apiVersion: 'ospatch/v1', name: 'x', type: 'aks', [key]: {} })).toEqual([
        `${key}: OS patching is not available for an AKS cluster: Azure patches its nodes; set the node OS upgrade channel in AKS instead; allowed: apiVersion, name, description, type; remove ${key}`,
      ]);
    });

    it('name the way from an imported to a patched cluster', () => {
      expect(issuesOf({ apiVersion: 'ospatch/v1', name: 'x', type: 'imported', patching: {} })).toEqual([
        expect.stringMatching(/^patching: OS patching is not available .*; remove patching or set type: self-managed$/),
      ]);
    });
  });

  describe('patching.packages', () => {
    const issues = (packages: unknown): string[] => issuesOf(specDocument({ patching: { packages } }));

    it('keeps each excluded name once', () => {
      const document = specDocument({ patching: { packages: { only: 'security', exclude: ['a*', 'b', 'a*'] } } });
      expect(specOf(document)).toMatchObject({ patching: { packages: { only: 'security', exclude: ['a*', 'b'] } } });
    });

    it.each(['-y', '$(id)', 'a b', 'a;b', 'a[bc]', '../x', 'a'.repeat(129), ''])(
      'rejects the exclusion of %j',
      (glob) => {
        expect(issues({ exclude: [glob] })).toEqual([
          expect.stringMatching(/^patching\.packages\.exclude\[0\]: found .*; allowed: a package name of at most 128/),
        ]);
      },
    );

    it('lists the allowed values of every other field', () => {
      expect(issues({ only: 'critical', phasedUpdates: true, allowRemoval: true })).toEqual([
        'patching.packages.only: found "critical"; allowed: security',
        expect.stringMatching(/^patching\.packages\.phasedUpdates: found true.*allowed: default, always, never/),
        expect.stringMatching(/^patching\.packages\.allowRemoval: unknown key; did you mean "allowRemovals"\?/),
      ]);
      expect(issues({ exclude: Array.from({ length: 101 }, (_, at) => `p${at}`) })).toEqual([
        'patching.packages.exclude: found 101 entries; allowed: a list of at most 100 package names',
      ]);
    });
  });

  it('never lets a value or a key control the terminal', () => {
    const [escape, csi, rightToLeft] = ['\u001b', '\u009b', '\u202e'];
    const evil = `${escape}[2J${csi}31m${rightToLeft}x`;
    const document = specDocument({ [evil]: 1, type: evil, patching: { timeZone: evil, schedule: { [evil]: 1 } } });
    for (const issue of issuesOf(document)) expect(issue).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(issuesOf(document)).toHaveLength(4);
  });

  it('reports the problems of a value that is no spec', () => {
    expect(validateSpecObject(null)).toMatchObject({ ok: false });
    expect(validateSpecObject({ ...specDocument(), name: undefined })).toEqual({
      ok: false,
      problems: [expect.stringMatching(/^name: missing; allowed: /)],
    });
  });

  it('reports unknown time zones and invalid cron expressions', () => {
    const patching = { timeZone: 'Berlin', schedule: { cron: '0 0 31 2 *' } };
    expect(validateSpecObject(specDocument({ patching }))).toEqual({
      ok: false,
      problems: [
        expect.stringMatching(/^patching.timeZone: found "Berlin", which is not a known time zone/),
        expect.stringMatching(/^patching.schedule.cron: found "0 0 31 2 \*"/),
      ],
    });
  });
});
