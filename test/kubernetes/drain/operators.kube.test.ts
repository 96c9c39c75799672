/** Operators that open their budgets only after a cordon or an eviction request, beside `kubectl drain`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { V1Node, V1PodDisruptionBudget, V1PodSpec } from '@kubernetes/client-node';

import type { KubeObject } from '../../../tools/kube/kube-api';
import { addBudget, addDeployment, addStatefulSet, podsOn } from '../../support/kube-objects';
import { waitFor } from '../../support/wait-for';
import type { Scenario, Stage } from '../scenario';
import { startStage } from '../scenario';

/** The time an operator needs to move the protected pod. */
const OPERATOR_MS = 4_000;
/** Both poll at different moments, on a busy machine. */
const SLACK_MS = 8_000;

const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata', resources: [{ group: '', resources: ['pods/eviction'] }] }, { level: 'None' }],
};

/** One on each node. */
const APART: Partial<V1PodSpec> = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'pg' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  },
};

const later = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe('src/kubernetes/drain/drain: operators on a real control plane', () => {
  let stage: Stage;
  const dir = mkdtempSync(path.join(tmpdir(), 'ospatch-audit-'));
  const audit = path.join(dir, 'audit.log');

  beforeAll(async () => {
    writeFileSync(path.join(dir, 'policy.json'), JSON.stringify(AUDIT_POLICY));
    writeFileSync(audit, '');
    stage = await startStage({
      apiServerFlags: ['--audit-policy-file', path.join(dir, 'policy.json'), '--audit-log-path', audit],
    });
  });

  afterAll(async () => {
    await stage.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function cordoned(node: string): Promise<void> {
    await waitFor(
      async () => (await stage.plane.api.get<V1Node>({ kind: 'Node', name: node })).spec?.unschedulable === true,
      { what: `the cordon of ${node}` },
    );
  }

  const relabel = (namespace: string, name: string, role: string): Promise<unknown> =>
    stage.plane.api.patch({ kind: 'Pod', namespace, name }, { metadata: { labels: { role } } });

  const removeBudget = (namespace: string, name: string): Promise<unknown> =>
    stage.plane.api.delete({ kind: 'PodDisruptionBudget', namespace, name });

  /** A database of two pods whose budget protects the primary, which runs on the node of the scenario. */
  async function database(scenario: Scenario): Promise<() => Promise<void>> {
    await scenario.addSpareNode();
    await addStatefulSet(stage.plane, 'pg', scenario.here({ replicas: 2, spec: APART }));
    const [primary = ''] = await podsOn(stage.plane, scenario.name);
    const replica = primary === 'pg-0' ? 'pg-1' : 'pg-0';
    await relabel(scenario.name, primary, 'primary');
    await relabel(scenario.name, replica, 'replica');
    const selector = { matchLabels: { app: 'pg', role: 'primary' } };
    const budget = { kind: 'PodDisruptionBudget', namespace: scenario.name, name: 'pg-primary' };
    await stage.plane.api.create({
      ...{ kind: budget.kind, metadata: { name: budget.name, namespace: scenario.name } },
      spec: { selector, minAvailable: 1 },
    } as KubeObject);
    await waitFor(async () => (await stage.plane.api.get<V1PodDisruptionBudget>(budget)).status?.currentHealthy === 1, {
      what: 'the budget to know the primary',
    });
    return async () => {
      await cordoned(scenario.name);
      await later(OPERATOR_MS);
      await relabel(scenario.name, primary, 'replica');
      await relabel(scenario.name, replica, 'primary');
    };
  }

  /** Storage whose budget is deleted once the node is cordoned. */
  async function storage(scenario: Scenario): Promise<() => Promise<void>> {
    await addDeployment(stage.plane, 'instance-manager', scenario.here({ replicas: 1 }));
    await addBudget(stage.plane, 'instance-manager', 'instance-manager', { minAvailable: 1 }, scenario.name);
    return async () => {
      await cordoned(scenario.name);
      await later(OPERATOR_MS);
      await removeBudget(scenario.name, 'instance-manager');
    };
  }

  /** Storage that allows no disruption until its data is complete again. */
  async function healing(scenario: Scenario): Promise<() => Promise<void>> {
    await addDeployment(stage.plane, 'osd', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'osd', 'osd', { maxUnavailable: 0 }, scenario.name);
    return async () => {
      await later(OPERATOR_MS);
      await removeBudget(scenario.name, 'osd');
    };
  }

  /** Brokers that their operator moves after an eviction request. */
  async function brokers(scenario: Scenario): Promise<() => Promise<void>> {
    await addDeployment(stage.plane, 'kafka', scenario.here({ replicas: 2 }));
    await addBudget(stage.plane, 'kafka', 'kafka', { maxUnavailable: 0 }, scenario.name);
    const pods = await podsOn(stage.plane, scenario.name);
    return async () => {
      for (const name of pods) {
        const evictionPath = `/api/v1/namespaces/${scenario.name}/pods/${name}/eviction`;
        await waitFor(() => readFileSync(audit, 'utf8').includes(evictionPath), { what: `a request to evict ${name}` });
        await stage.plane.api.delete({ kind: 'Pod', namespace: scenario.name, name });
        await later(OPERATOR_MS / 2);
      }
    };
  }

  it.each([
    ['a database that switches over', 'pg', database],
    ['storage that detaches its volumes', 'detach', storage],
    ['storage that heals', 'heal', healing],
    ['brokers that wait to be asked', 'kafka', brokers],
  ])('drains %s like kubectl, in the same time', async (_, name, build) => {
    const [ours, theirs] = await Promise.all([stage.scenario(`ours-${name}`), stage.scenario(`theirs-${name}`)]);
    const operators = [await build(ours), await build(theirs)];
    const { blockers, pending } = await ours.preview();
    expect([blockers, pending]).toEqual([[], [expect.stringContaining('opens only when an operator or a person')]]);

    const startedAt = Date.now();
    const took = async (work: Promise<unknown>): Promise<number> => {
      await work;
      return Date.now() - startedAt;
    };
    const running = operators.map((operate) => operate());
    await ours.cordon();
    const drained = ours.drain({ timeout: '60s' });
    const kubectl = stage.plane.kubectl('drain', theirs.name, '--ignore-daemonsets', '--timeout=60s');
    const [oursMs, theirsMs] = await Promise.all([took(drained), took(kubectl)]);
    await Promise.all(running);

    expect(await drained).toMatchObject({ state: 'drained', blocked: [] });
    expect((await kubectl).code).toBe(0);
    expect(await podsOn(stage.plane, ours.name)).toEqual([]);
    expect(await podsOn(stage.plane, theirs.name)).toEqual([]);
    expect(ours.heartbeats.some(({ waitingFor }) => waitingFor?.includes('allows no disruption'))).toBe(true);
    expect(oursMs).toBeLessThan(theirsMs + SLACK_MS);
  });
});
