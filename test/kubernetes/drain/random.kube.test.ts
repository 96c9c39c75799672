import type { V1Pod } from '@kubernetes/client-node';
import { ApplicationFailure } from '@temporalio/common';

import type { KubeObject } from '../../../tools/kube/kube-api';
import { applyManifest } from '../../../tools/kube/users';
import type { DrainPreview, DrainPolicy } from '../../../src/domain/kubernetes/types';
import { FUZZ_SEED, Random } from '../../support/fuzz';
import { addNamespace, waitForCordon } from '../../support/kube-objects';
import { waitFor } from '../../support/wait-for';
import type { KubectlVerdict, ServerAnswers } from '../kubectl-drain';
import { kubectlDryRun, kubectlFlags, serverAnswers } from '../kubectl-drain';
import type { Plan } from '../random-state';
import { carryOut, randomPlan, unitOf } from '../random-state';
import type { Scenario, Stage } from '../scenario';
import { startStage } from '../scenario';
import { defined } from '../../../src/domain/shared/defined';

/** `OSPATCH_DRAIN_STATES` sets a larger number of states. */
const STATES = Number(process.env['OSPATCH_DRAIN_STATES'] ?? 6);
const TWINS = Math.ceil(STATES / 3);
const AT_ONCE = 6;
/** Some pods never end, so most of these drains reach this timeout. */
const TWIN_TIMEOUT = '20s';
const POLICIES_PER_STATE = 3;
const MS_PER_STATE = 30_000;

describe(`src/kubernetes/drain/drain on random states, compared with kubectl (OSPATCH_FUZZ_SEED=${FUZZ_SEED})`, () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await startStage({
      controllerManagerFlags: [
        // The garbage collector would delete pods whose owner exists only in the pod.
        '--controllers=*,-garbage-collector-controller',
        ...['--kube-api-qps=500', '--kube-api-burst=1000'],
      ],
    });
    await applyManifest(stage.plane.api, 'kubernetes-rbac-disable-eviction.yaml');
  });

  afterAll(() => stage.stop());

  /** Runs some at a time; returns the differences of each plan that has any. */
  async function each(count: number, check: (index: number, random: Random) => Promise<string[]>): Promise<string[]> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    const wrong: string[] = [];
    const work = async () => {
      for (let index = indexes.shift(); index !== undefined; index = indexes.shift()) {
        wrong.push(...(await check(index, new Random(FUZZ_SEED + index * 7_919))));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return wrong;
  }

  async function scenarioOf(name: string, plan: Plan): Promise<Scenario> {
    const scenario = await stage.scenario(name);
    await addNamespace(stage.plane, `${name}-b`);
    await carryOut(plan, { plane: stage.plane, node: name, pool: name, spaces: [name, `${name}-b`] });
    return scenario;
  }

  it(
    'evicts and rejects the same pods for the same reasons, and knows which pods the server blocks',
    async () => {
      const wrong = await each(STATES, async (index, random) => {
        const plan = randomPlan(random);
        const scenario = await scenarioOf(`state-${index}`, plan);
        const found: string[] = [];
        for (let number = 0; number < POLICIES_PER_STATE; number += 1) {
          // Allow-all drains reach the budgets, allow-none drains the rejections.
          const policy = [{ force: true, deleteEmptydirData: true }, {}][number] ?? randomPolicy(random);
          const verdict = await kubectlDryRun(stage.plane, scenario.name, policy, 'client');
          const preview = await scenario.preview(policy);
          const differences = compare(preview, verdict);
          if (number === 0) differences.push(...(await compareAnswers(scenario, policy, preview, verdict)));
          if (differences.length > 0) found.push(report(scenario.name, plan, policy, differences, verdict.output));
        }
        return found;
      });
      expect(wrong).toEqual([]);
    },
    STATES * MS_PER_STATE,
  );

  async function compareAnswers({ name }: Scenario, policy: object, preview: DrainPreview, verdict: KubectlVerdict) {
    const { areObserved, ...answers } = await serverAnswers(stage.plane, verdict.evicts);
    const wrong = compareHeld(preview, answers, 'server');
    if (!areObserved) return wrong;
    return [
      ...wrong,
      ...compareHeld(preview, (await kubectlDryRun(stage.plane, name, policy, 'server')).answers, 'kubectl'),
    ];
  }

  it(
    'leaves a node in the same state as kubectl leaves its twin',
    async () => {
      const wrong = await each(TWINS, async (index, random) => {
        const whole = randomPlan(random);
        // Which of two units of one budget goes first is random, and endless pods have a test of their own.
        const plan = { ...whole, isDoomed: false, budgets: whole.budgets.filter(({ spec }) => isOfOneUnit(spec)) };
        const policy = { ...randomPolicy(random), force: true, deleteEmptydirData: true };
        const [ours, theirs] = await Promise.all([
          scenarioOf(`ours-${index}`, plan),
          scenarioOf(`theirs-${index}`, plan),
        ]);
        // With two budgets on one pod kubectl evicts the rest, and ospatch nothing.
        if ((await ours.preview(policy)).blockers.some((text) => text.includes('budget'))) {
          for (const { name } of [ours, theirs]) await removeBudgets([name, `${name}-b`]);
        }
        const flags = kubectlFlags(policy);
        await stage.plane.kubectl('cordon', theirs.name);
        await Promise.all([ours.cordonForAll(), waitForCordon(stage.plane, theirs.name, theirs.name)]);
        const [{ output }, drained] = await Promise.all([
          stage.plane.kubectl('drain', theirs.name, `--timeout=${TWIN_TIMEOUT}`, ...flags),
          ours.drain({ ...policy, timeout: TWIN_TIMEOUT }).catch(messageOf),
        ]);
        // The last evictions are still in progress.
        const remains = async () => Promise.all([whatIsLeft(ours), whatIsLeft(theirs)]);
        const isSame = async () => (([left, expected]) => left === expected)(await remains());
        if (await waitFor(isSame, { what: 'the same pods', timeoutMs: 30_000 }).catch(() => false)) return [];
        const [left, expected] = await remains();
        const differences = [`ours left ${left}`, `kubectl left ${expected}`, JSON.stringify(drained)];
        return [report(ours.name, plan, policy, differences, output)];
      });
      expect(wrong).toEqual([]);
    },
    STATES * MS_PER_STATE,
  );

  async function removeBudgets(namespaces: string[]): Promise<void> {
    for (const namespace of namespaces) {
      for (const { metadata } of await stage.plane.api.list<KubeObject>({ kind: 'PodDisruptionBudget', namespace })) {
        await stage.plane.api.delete({ kind: 'PodDisruptionBudget', namespace, name: metadata?.name ?? '' });
      }
    }
  }

  /** For each unit the pods on the node, and how each is being deleted. */
  async function whatIsLeft({ name }: Scenario): Promise<string> {
    const left: Record<string, string[]> = {};
    for (const { metadata } of await stage.plane.api.list<V1Pod>(
      { kind: 'Pod' },
      `fieldSelector=spec.nodeName%3D${name}`,
    )) {
      const state =
        metadata?.deletionTimestamp === undefined ? 'stays' : `leaves in ${metadata.deletionGracePeriodSeconds} s`;
      const unit = unitOf(metadata?.name ?? '');
      left[unit] = [...(left[unit] ?? []), state].sort();
    }
    return JSON.stringify(Object.entries(left).sort(([a], [b]) => a.localeCompare(b)));
  }
});

/** kubectl also fails when DaemonSet pods are not ignored. */
function messageOf(error: unknown): string {
  if (error instanceof ApplicationFailure && error.type === 'DrainBlocked') return error.message;
  throw error;
}

function isOfOneUnit(spec: object): boolean {
  return 'selector' in spec && JSON.stringify(spec.selector).includes('"app":');
}

function randomPolicy(random: Random): Partial<DrainPolicy> {
  const chance = (percent: number) => random.below(100) < percent;
  const podSelector = random.pick([
    'tier=front',
    'tier!=front',
    'tier in (front,back),!weight',
    'tier notin (cache)',
    'weight>4',
    'app',
    '!app',
    'app==u1,weight<9',
  ]);
  return {
    ignoreDaemonsets: chance(75),
    deleteEmptydirData: chance(60),
    force: chance(60),
    disableEviction: chance(20),
    ...defined({
      podSelector: chance(40) ? podSelector : undefined,
      gracePeriod: chance(40) ? random.pick(['0s', '5s', '1h']) : undefined,
      skipWaitForDeleteTimeout: chance(40) ? random.pick(['1s', '1h']) : undefined,
    }),
  };
}

/** One sentence per difference. */
function compare(ours: DrainPreview, kubectl: KubectlVerdict): string[] {
  const refusals = ours.blockers.flatMap((text) => {
    const [, option, pods = ''] = /\(kubernetes\.drain\.(\w+) allows it\): (.*)$/.exec(text) ?? [];
    return option === undefined ? [] : [[option, pods] as const];
  });
  const differences = ['ignoreDaemonsets', 'deleteEmptydirData', 'force'].flatMap((option) => {
    const pods = refusals.filter(([found]) => found === option).flatMap(([, named]) => podsNamed(named));
    return differ(`refused without ${option}`, pods, kubectl.refuses[option] ?? [], 'kubectl');
  });
  // kubectl lists the others only without a rejection.
  if (refusals.length > 0) return differences;
  const daemons = ours.ignored['managed by a DaemonSet'] ?? 0;
  differences.push(...differ('pods of DaemonSets', [String(daemons)], [String(kubectl.leaves.length)], 'kubectl'));
  const evicted = ours.pods.map(({ namespace, name }) => `${namespace}/${name}`);
  return [...differences, ...differ('evicted', evicted, kubectl.evicts, 'kubectl')];
}

function compareHeld({ blockers, pending }: DrainPreview, { held, twoBudgets }: ServerAnswers, who: string): string[] {
  const named = (texts: string[], words: string) =>
    texts.filter((text) => text.includes(words)).flatMap((text) => podsNamed(text.slice(text.lastIndexOf(': ') + 2)));
  return [
    ...differ('held by a budget', named(pending, 'allows no eviction now'), held, who),
    ...differ('selected by two budgets', named(blockers, 'that two budgets select'), twoBudgets, who),
  ];
}

/** A message names only the first of many. */
function differ(what: string, found: string[], expected: string[], who: string): string[] {
  const names = found.filter((one) => !/^and \d+ more$/.test(one)).sort();
  const more = found.reduce((sum, one) => sum + Number(/^and (\d+) more$/.exec(one)?.[1] ?? 0), 0);
  const isSame = names.length + more === expected.length && names.every((one) => expected.includes(one));
  return isSame ? [] : [`${what}: ours ${found.join(' ')}; ${who} ${expected.join(' ')}`];
}

function podsNamed(list: string): string[] {
  return list.split(', ').filter((one) => one !== '');
}

function report(name: string, plan: Plan, policy: object, differences: string[], output: string): string {
  return [name, ...differences, JSON.stringify(policy), JSON.stringify(plan), output].join('\n');
}
