/**
 * Mutated and arbitrary inputs of every activity, given to the real activities behind a policy. Listeners and programs that
 * the policy does not name count whoever reaches them. OSPATCH_FUZZ_INPUTS: inputs per activity.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import fc from 'fast-check';
import { createActivities } from '../../src/activities';
import { INPUT_SCHEMAS } from '../../src/activities/input/schemas';
import type { AllActivities } from '../../src/activities/input/types';
import { PolicyFile } from '../../src/policy/policy-file';
import { resolveHost } from '../../src/ssh/addresses';
import type * as Gates from '../../src/ssh/login-gate';
import { keyPair } from '../ssh/support';
import { CLUSTER_WORKFLOW, NODE_WORKFLOW, validInputs } from '../support/activity-inputs';
import { FUZZ_SEED, Random } from '../support/fuzz';

// Failed logins are not held back here: each is to reach whatever it can.
jest.mock('../../src/ssh/login-gate', () => {
  const actual = jest.requireActual<typeof Gates>('../../src/ssh/login-gate');
  let seconds = 0;
  const clock = { now: () => (seconds += 1_000), sleep: () => Promise.resolve() };
  return {
    ...actual,
    LoginGate: class extends actual.LoginGate {
      constructor() {
        super(clock);
      }
    },
  };
});

const NAMES = Object.keys(INPUT_SCHEMAS) as (keyof AllActivities)[];
const INPUTS = Number(process.env['OSPATCH_FUZZ_INPUTS'] ?? 50);

/** Inputs in progress at the same time. */
const AT_ONCE = 48;
/** Long enough for a connection on this machine; what goes on longer only repeats it. */
const ENOUGH_MS = 30;
const HOOK_MS = 300;
const LOADS_WITHIN_MS = 30_000;

const ANYTHING = fc.anything({ maxDepth: 4, maxKeys: 6, withNullPrototype: true, withObjectString: true });

/** A port that counts its connections, and closes each. */
async function listen(host: string, port = 0) {
  const state = { connections: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    state.connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.end();
  });
  server.listen(port, host);
  await once(server, 'listening');
  const stop = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { state, port: (server.address() as AddressInfo).port, stop };
}

type Listener = Awaited<ReturnType<typeof listen>>;

interface Place {
  keyDir: string;
  hookDir: string;
  calendarDir: string;
  kubeconfigDir: string;
  policy: string;
  marks: string;
}

describe(`the activities with ${INPUTS} inputs each (OSPATCH_FUZZ_SEED=${FUZZ_SEED})`, () => {
  let dir: string;
  const before = { ...process.env };
  const listeners: Listener[] = [];
  /** Named by the policy. */
  let ssh: Listener;
  let jump: Listener;
  let kube: Listener;
  let aws: Listener;
  /** Named by nobody. */
  let forbidden: Listener[];
  let place: Place;

  beforeAll(async () => {
    dir = mkdtempSync(path.join(homedir(), '.ospatch-inputs-test-'));
    const open = async (host: string, port?: number): Promise<Listener> => {
      const listener = await listen(host, port);
      listeners.push(listener);
      return listener;
    };
    [ssh, kube, aws] = [await open('127.0.0.1'), await open('127.0.0.1'), await open('127.0.0.1')];
    jump = await open('127.0.0.2', ssh.port);
    forbidden = [await open('127.0.0.1'), await open('127.0.0.3', ssh.port), await open('::1', ssh.port)];
    for (let at = 0; at < 3; at += 1) forbidden.push(await open('127.0.0.1'));
    place = prepare(dir);
    // The endpoint of the region, which an input without one means.
    process.env['AWS_ENDPOINT_URL_EKS'] = address(aws);
    process.env['AWS_CONFIG_FILE'] = path.join(dir, 'aws');
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = path.join(dir, 'aws');
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
  });

  afterAll(() => {
    for (const listener of listeners) listener.stop();
    process.env = before;
    rmSync(dir, { recursive: true, force: true });
  });

  function address(listener: Listener | undefined): string {
    return `http://127.0.0.1:${listener?.port ?? 0}`;
  }

  function secure(listener: Listener): string {
    return `https://127.0.0.1:${listener.port}`;
  }

  function prepare(root: string): Place {
    const make = (name: string): string => {
      mkdirSync(path.join(root, name), { mode: 0o700 });
      return path.join(root, name);
    };
    const [keyDir, hookDir, calendarDir, kubeconfigDir] = ['keys', 'hooks', 'calendars', 'kube'].map(make) as [
      string,
      string,
      string,
      string,
    ];
    const marks = path.join(root, 'marks');
    writeFileSync(marks, '');
    for (const key of ['demo', 'other']) writeFileSync(path.join(keyDir, key), keyPair().private, { mode: 0o600 });
    for (const hook of ['ipmi', 'wipe']) {
      const text = `#!/bin/sh\nprintf '%s\\n' "${hook} $*" >>${marks}\n`;
      writeFileSync(path.join(hookDir, hook), text, { mode: 0o700 });
    }
    const servers = { 'prod.yaml': kube, 'other.yaml': forbidden[3] };
    for (const [file, server] of Object.entries(servers)) {
      writeFileSync(path.join(kubeconfigDir, file), kubeconfig(address(server), address(forbidden[4])), {
        mode: 0o600,
      });
    }
    const profile = 'aws_access_key_id = AKIASIMULATED0000001\naws_secret_access_key = simulated\n';
    writeFileSync(path.join(root, 'aws'), `[ops]\n${profile}[default]\n${profile}[profile ops]\n${profile}`, {
      mode: 0o600,
    });
    const rule = {
      ...{ name: 'demo', clusters: ['demo'], hosts: ['127.0.0.1/32'], ports: [ssh.port], users: ['ospatch'] },
      ...{ identities: ['demo'], jumpHosts: ['127.0.0.2'], kubeconfigs: [{ file: 'prod.yaml', contexts: ['prod'] }] },
      ...{ powerCycleHooks: ['ipmi'], rebootCommands: ['reboot-safely'], calendars: ['freeze.ics'] },
      aws: { profiles: ['ops'], regions: ['eu-west-1'], clusters: ['Prod_1'], endpoints: [secure(aws)] },
      taskQueues: ['test'],
    };
    const policy = path.join(root, 'policy.yaml');
    writeFileSync(policy, JSON.stringify({ version: 1, rules: [rule] }), { mode: 0o600 });
    return { keyDir, hookDir, calendarDir, kubeconfigDir, policy, marks };
  }

  /** Values that point elsewhere, or are trouble. */
  function dictionary(): unknown[] {
    const hosts = ['127.0.0.3', '::1', '127.1', '2130706433', '0x7f.1', 'localhost', '127.0.0.1.', '[::1]', '0.0.0.0'];
    const options = [
      '-oProxyCommand=id',
      '--',
      '-',
      'a\nb',
      'a\u0000b',
      '$(id)',
      '`id`',
      '../other.yaml',
      '/etc/passwd',
    ];
    const ports = forbidden.map(({ port }) => port);
    const names = ['other.yaml', 'in-cluster', 'other', 'wipe', '.', '..', 'agent', 'root', 'ALL', 'demo', 'x', ''];
    const urls = forbidden.flatMap(({ port }) => [
      `http://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      `http://[::1]:${port}`,
      `https://127.0.0.1:${port}`,
      `http://127.0.0.1:${aws.port}@127.0.0.1:${port}`,
    ]);
    const numbers = [-1, 0, 1, 1.5, Number.NaN, Infinity, 1e308, 65_536, 2 ** 53, '22', null];
    const rest = [true, false, [], {}, [[]], 'x'.repeat(5_000), JSON.parse('{"__proto__":{"host":"x"}}')];
    return [...hosts, ...options, ...ports, ...names, ...urls, ...numbers, ...rest];
  }

  /** By field: valid values that the policy does not name. */
  function elsewhere(): Elsewhere {
    const ports = forbidden.filter((_one, at) => at !== 1 && at !== 2).map(({ port }) => port);
    return {
      host: ['127.0.0.3', '::1', 'localhost', '0.0.0.0'],
      port: ports,
      kubeconfig: ['other.yaml', 'in-cluster'],
      context: ['other'],
      endpoint: ports.flatMap((port) => [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`]),
      identity: ['other', 'agent'],
      user: ['root'],
      hook: ['wipe'],
      profile: ['default'],
      cluster: ['other'],
    };
  }

  function activitiesUnderTest() {
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    return createActivities({ ...place, policy: new PolicyFile(place.policy), log });
  }

  /** A Temporal client that notes the workflows it is asked about. */
  function temporalClient(seen: Set<string>): Client {
    const getHandle = (workflowId: string) => {
      seen.add(workflowId);
      const raw = { pendingActivities: [], pendingChildren: [] };
      // There are no runs, so the search for the last one ends.
      const describe = () =>
        workflowId.includes('/run/')
          ? Promise.reject(new WorkflowNotFoundError('no such workflow', workflowId, undefined))
          : Promise.resolve({ status: { name: 'COMPLETED' }, raw });
      return { describe, result: () => Promise.resolve(null), cancel: () => Promise.resolve() };
    };
    const within = (_limit: unknown, body: () => Promise<unknown>): Promise<unknown> => body();
    const client = { workflow: { getHandle }, options: { namespace: 'default' } };
    return { ...client, withAbortSignal: within, withDeadline: within } as unknown as Client;
  }

  it('reach nothing that the policy does not name', async () => {
    const random = new Random(FUZZ_SEED);
    const junk = dictionary();
    const others = elsewhere();
    const anything = fc.sample(ANYTHING, { numRuns: 500, seed: FUZZ_SEED }).filter((value) => value !== undefined);
    const { activities, close } = activitiesUnderTest();
    const asked = new Set<string>();
    const client = temporalClient(asked);
    const counts = { done: 0, passed: 0 };

    const one = async (
      name: keyof AllActivities,
      input: unknown,
      ms = ENOUGH_MS,
      enough?: Listener,
    ): Promise<string> => {
      const workflowId = name === 'unreachableNodes' ? CLUSTER_WORKFLOW : NODE_WORKFLOW;
      const environment = new MockActivityEnvironment(
        { activityType: name, taskQueue: 'test', workflowExecution: { workflowId, runId: 'r' } },
        { client, logger: new DefaultLogger('ERROR') },
      );
      const ended = environment
        .run(activities[name] as (...args: unknown[]) => Promise<unknown>, ...(input === undefined ? [] : [input]))
        .then(
          () => 'done',
          (error: unknown) => (error as { type?: string }).type ?? 'failed',
        );
      const timer = setTimeout(() => environment.cancel(), ms);
      const look = setInterval(() => {
        if (enough !== undefined && enough.state.connections > 0) environment.cancel();
      }, 20);
      const end = await ended;
      clearTimeout(timer);
      clearInterval(look);
      counts.done += 1;
      if (end !== 'Refused' && end !== 'Denied') counts.passed += 1;
      return end;
    };

    /** Takes the next input from all activities in turn. */
    function* work(): Generator<[keyof AllActivities, unknown]> {
      for (let round = 0; round < INPUTS; round += 1) {
        for (const name of NAMES) yield [name, fuzzed(name, random, { junk, anything, others })];
      }
    }
    // What the policy names is reached. This loads the clients, too, which takes longer than what follows.
    const valid = validInputs(ssh.port, secure(aws));
    const { target } = valid.readFacts;
    const { jump: hops = [], ...login } = target.ssh;
    delete login.transport;
    const [direct, behind] = [
      { ...target, ssh: login },
      { ...target, ssh: { ...login, jump: hops } },
    ];
    expect(await one('powerCycle', { ...valid.powerCycle, target: direct }, LOADS_WITHIN_MS)).toBe('done');
    await one('readFacts', { ...valid.readFacts, target: behind }, LOADS_WITHIN_MS, jump);
    await one('findStaleCordons', valid.findStaleCordons, LOADS_WITHIN_MS, kube);
    await one('listNodegroups', valid.listNodegroups, LOADS_WITHIN_MS, aws);
    for (const named of [ssh, jump, kube, aws]) expect(named.state.connections).toBeGreaterThan(0);
    counts.done = 0;
    const queue = work();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [name, input] of queue) await one(name, input, name === 'powerCycle' ? HOOK_MS : ENOUGH_MS);
      }),
    );
    await close();

    expect(counts.done).toBe(INPUTS * NAMES.length);
    // The inputs are near enough to valid ones: some get through, and reach what the policy names.
    expect(counts.passed).toBeGreaterThan(counts.done / 50);
    expect(forbidden.map(({ state }) => state.connections)).toEqual(forbidden.map(() => 0));
    const marks = readFileSync(place.marks, 'utf8').split('\n').filter(Boolean);
    expect(marks.length).toBeGreaterThan(0);
    const named = (await namesOfLoopback()).map((host) => `ipmi demo w-1 ${host}`);
    expect(marks.filter((mark) => !named.includes(mark))).toEqual([]);
    expect([...asked].filter((workflowId) => !/^cluster\/demo(\/|$)/.test(workflowId))).toEqual([]);
    expect(({} as Record<string, unknown>)['host']).toBeUndefined();
  }, 3_600_000);

  function fuzzed(name: keyof AllActivities, random: Random, values: Values): unknown {
    const base = structuredClone(validInputs(ssh.port, secure(aws))[name]);
    const plain = withoutOpenssh(base, random);
    switch (random.below(10)) {
      case 0:
        return random.pick(values.anything);
      case 1:
        return plain;
      default: {
        let input: unknown = plain;
        for (let changes = random.below(3); changes >= 0; changes -= 1) input = mutated(input, random, values);
        return input;
      }
    }
  }
});

/** The address that the policy names, and `localhost` on machines where it has no other address: the policy allows it there. */
async function namesOfLoopback(): Promise<string[]> {
  const addresses = await resolveHost('localhost');
  const onlyThat = addresses.every((one) => one === '127.0.0.1');
  return onlyThat ? ['127.0.0.1', 'localhost'] : ['127.0.0.1'];
}

/** Each login of OpenSSH is a process, so few are enough; and half of the nodes are reached without a jump host. */
function withoutOpenssh(input: unknown, random: Random): unknown {
  for (const target of targetsIn(input)) {
    if (random.below(50) > 0) delete target.ssh['transport'];
    if (random.below(2) === 0) delete target.ssh['jump'];
  }
  return input;
}

function targetsIn(input: unknown): { ssh: Record<string, unknown> }[] {
  const { target, targets = [] } = (input ?? {}) as { target?: unknown; targets?: unknown[] };
  return [target, ...targets].filter(
    (one): one is { ssh: Record<string, unknown> } => typeof one === 'object' && one !== null && 'ssh' in one,
  );
}

type Elsewhere = Readonly<Record<string, readonly unknown[]>>;

interface Values {
  junk: readonly unknown[];
  anything: readonly unknown[];
  others: Elsewhere;
}

function mutated(value: unknown, random: Random, values: Values, field = ''): unknown {
  const { junk, anything, others } = values;
  const replace = (): unknown => {
    const valid = Object.hasOwn(others, field) ? others[field] : undefined;
    if (valid !== undefined && random.below(2) === 0) return random.pick(valid);
    return random.below(4) === 0 ? random.pick(anything) : random.pick(junk);
  };
  if (typeof value !== 'object' || value === null) return replace();
  const keys = Object.keys(value);
  if (keys.length === 0 || random.below(12) === 0) return replace();
  if (!Array.isArray(value) && random.below(15) === 0) return { ...value, [String(random.pick(junk))]: replace() };
  const named = keys.filter(
    (key) => Object.hasOwn(others, key) || ['target', 'access', 'ssh', 'jump', 'targets'].includes(key),
  );
  const key = random.pick(named.length > 0 && random.below(2) === 0 ? named : keys);
  const changed = (): unknown => mutated((value as Record<string, unknown>)[key], random, values, key);
  if (Array.isArray(value)) {
    if (random.below(6) === 0) return [...value, ...value, replace()];
    return value.map((one: unknown, at) => (String(at) === key ? changed() : one));
  }
  if (random.below(12) === 0) return Object.fromEntries(Object.entries(value).filter(([other]) => other !== key));
  return { ...value, [key]: changed() };
}

/** Two contexts, of which the policy names one. */
function kubeconfig(server: string, other: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'prod',
    clusters: [
      { name: 'prod', cluster: { server, 'insecure-skip-tls-verify': true } },
      { name: 'other', cluster: { server: other, 'insecure-skip-tls-verify': true } },
    ],
    users: [{ name: 'me', user: { token: 'x' } }],
    contexts: [
      { name: 'prod', context: { cluster: 'prod', user: 'me' } },
      { name: 'other', context: { cluster: 'other', user: 'me' } },
    ],
  });
}
