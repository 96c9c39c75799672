/** Hostile values in every text of a spec: rejected, or unable to run a command or to break the display. */
import { stringify } from 'yaml';
import { loadSpecs } from '../../../src/client/load/spec';
import type { NodeTarget } from '../../../src/domain/spec/types';
import { isOspatchError } from '../../../src/domain/shared/errors';
import { sshTarget } from '../../../src/node/ssh-target';
import { RemoteNode } from '../../../src/node/remote-node';
import { printProblems } from '../../../src/cli/options/spec-source';
import { runOffline } from '../../cli/offline-context';
import { fakeTerminal } from '../../cli/support';
import { KEY } from '../../domain/spec/spec-document';
import { FakeTransport, TARGET } from '../../node/fake-node';
import { FUZZ_SEED, Random, UNSAFE_TO_SHOW, stringsIn } from '../../support/fuzz';

const NOW = Date.parse('2026-11-23T12:00:00Z');

const HOSTILE: readonly string[] = [
  '$(touch /tmp/canary)',
  '`touch /tmp/canary`',
  '; touch /tmp/canary',
  '| touch /tmp/canary',
  '&& touch /tmp/canary',
  '\n touch /tmp/canary\n',
  "' ; touch /tmp/canary ; '",
  '" ; touch /tmp/canary ; "',
  '-oProxyCommand=touch /tmp/canary',
  '--help',
  '../../../etc/passwd',
  '/etc/shadow',
  '~root',
  '${IFS}',
  '%h %n %C',
  '\\',
  '\u0000',
  '\u001b[2J',
  '\u202egnp.exe',
  'e\u0301\u200b',
  'аdmin',
  '*',
  '!',
  '#',
  'a b',
  '',
  '   ',
  'x'.repeat(100_000),
  '__proto__',
  'constructor',
];

/** No character with a meaning to a shell, to ssh or in a path. */
const HARMLESS = /^[A-Za-z0-9_:[][A-Za-z0-9_.:@+%[\]-]*$/;
/** A directory user has its domain before a backslash, and a user name may end in a dollar sign. */
const HARMLESS_USER = /^(?:\w[\w.@+-]*\\)?\w[\w.@+-]*\$?$/;

/** The only value of a spec that reaches the helper as an argument. */
const REBOOT_COMMAND = /( ospatch reboot 01234567-89ab )[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

const DOCUMENT = {
  apiVersion: 'ospatch/v1',
  name: 'prod-eu',
  description: 'text',
  type: 'self-managed',
  patching: {
    timeZone: 'UTC',
    schedule: [{ cron: '30 2 * * 0', startWithin: '1h' }],
    unreachableTimeout: '10m',
    rebootCommand: 'kexec-now',
    powerCycleHook: { name: 'ipmi', after: '15m' },
  },
  ssh: {
    user: 'ospatch',
    identity: 'agent',
    knownHosts: 'known_hosts',
    helper: 'auto',
    jump: [{ host: 'bastion.example', user: 'jump', identity: 'id_jump', hostKeys: [KEY] }],
  },
  nodes: [
    {
      name: 'w-1',
      host: '10.0.0.12',
      role: 'worker',
      zone: 'eu-1a',
      labels: { tier: 'web' },
      ssh: { user: 'ospatch', identity: 'id_ed25519' },
      hostKeys: [KEY],
    },
  ],
};

/** Paths of all strings in the document. */
function textPlaces(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value === 'string') return [path];
  if (Array.isArray(value)) return value.flatMap((one, index) => textPlaces(one, [...path, index]));
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, one]) => textPlaces(one, [...path, key]))
    : [];
}

function replaced(value: unknown, [head, ...rest]: readonly (string | number)[], text: string): unknown {
  if (head === undefined) return text;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  copy[head] = replaced(copy[head], rest, text);
  return copy;
}

/** Every command that a patch of a node sends, in order. */
async function commandsFor(target: NodeTarget, rebootCommand = 'kexec-now'): Promise<string[]> {
  const transport = new FakeTransport([{ code: 127, stdout: Buffer.from('ospatch-helper:missing \n') }]);
  const node = new RemoteNode(target, transport);
  const job = { token: '0123456789abcdef', phase: 'plan', number: 1 } as const;
  const calls = [
    () => node.facts(),
    () => node.pending(),
    () => node.start(job, { waitSeconds: 1, refresh: true }),
    () => node.poll(job, 0, 1),
    () => node.log(null, 100),
    () => node.reboot('01234567-89ab'),
    async () => node.reboot('01234567-89ab', rebootCommand),
  ];
  for (const call of calls) {
    await call().catch((error: unknown) => {
      if (!isOspatchError(error)) throw error;
    });
  }
  return transport.lines;
}

async function load(text: string) {
  return loadSpecs('-', { now: NOW, requireHostKeys: true, stdin: () => Promise.resolve(text), cwd: '/nowhere' });
}

describe(`src/client/load/spec against hostile values (OSPATCH_FUZZ_SEED=${FUZZ_SEED})`, () => {
  let allowed: Set<string>;

  beforeAll(async () => {
    const asRoot = await commandsFor({ ...TARGET, ssh: { ...TARGET.ssh, user: 'root' } });
    const asUser = await commandsFor({ ...TARGET, ssh: { ...TARGET.ssh, user: 'ospatch' } });
    allowed = new Set([...asRoot, ...asUser]);
    expect(allowed.size).toBeGreaterThan(10);
  });

  async function expectHarmless(document: unknown, what: string): Promise<boolean> {
    const loaded = await load(stringify(document));
    const terminal = fakeTerminal();
    printProblems(terminal.context, loaded.problems);
    expect(`${what}: ${UNSAFE_TO_SHOW.exec(terminal.err())?.index ?? 'safe'}`).toBe(`${what}: safe`);
    expect(terminal.err().length).toBeLessThan(20_000);
    for (const spec of loaded.specs) {
      expect(
        stringsIn(spec).find((text) => /[\p{Cc}\p{Bidi_Control}]/u.test(text.replace(/[\n\t]/g, ''))),
      ).toBeUndefined();
      if (spec.type !== 'self-managed') continue;
      for (const node of spec.nodes) {
        const target = { ...node, cluster: spec.name };
        const { rebootCommand } = spec.patching;
        const strange = (await commandsFor(target, rebootCommand)).filter(
          (command) => !allowed.has(command.replace(REBOOT_COMMAND, '$1kexec-now')),
        );
        expect(strange).toEqual([]);
        for (const hop of node.ssh.jump ?? []) {
          for (const text of [hop.host, hop.identity]) expect(text).toMatch(HARMLESS);
          expect(hop.user).toMatch(HARMLESS_USER);
        }
        const { host, user, identity, name } = sshTarget(target);
        for (const text of [host, identity, name]) expect(text).toMatch(HARMLESS);
        expect(user).toMatch(HARMLESS_USER);
      }
    }
    return loaded.valid;
  }

  it('accepts the unchanged document', async () => {
    expect(await expectHarmless(DOCUMENT, 'as it is')).toBe(true);
  });

  it.each(textPlaces(DOCUMENT).map((path) => [path.join('.'), path] as const))('%s', async (name, path) => {
    const random = new Random(FUZZ_SEED);
    for (const text of HOSTILE) {
      await expectHarmless(replaced(DOCUMENT, path, text), `${name} ${JSON.stringify(text.slice(0, 40))}`);
      if (random.below(3) > 0) continue;
      const before = `w-1${random.pick(HOSTILE).slice(0, 30)}${random.pick(HOSTILE).slice(0, 30)}`;
      await expectHarmless(replaced(DOCUMENT, path, before), `${name} ${JSON.stringify(before)}`);
    }
  });

  it('shows accepted specs without terminal escapes', async () => {
    for (const text of HOSTILE.slice(0, 24)) {
      const input = stringify(replaced(DOCUMENT, ['description'], text));
      const { stdout, stderr } = await runOffline(['validate', '-f', '-'], { input });
      expect(UNSAFE_TO_SHOW.exec(stdout + stderr)).toBeNull();
    }
  });
});
