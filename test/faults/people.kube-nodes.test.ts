/** Users stop a patch, or work on the node by hand: their changes stay, and the node is uncordoned. */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeWorkflowId } from '../../src/contract/workflow-ids';
import { CORDON_ANNOTATION } from '../../src/domain/kubernetes/types';
import { findRun } from '../support/find-run';
import '../support/slow-suite';
import { waitFor } from '../support/wait-for';
import type { Expected } from './verify-outcome';
import { countTransactions } from './verify-outcome';
import { fault } from './fault';
import { REPLICAS } from './kubernetes-scenario';
import type { Moment } from './injection-points';
import { jobHas } from './node-view';
import type { Scenario } from './scenario';

const PATCHED = { state: 'patched', transactions: 1, reboots: 1 } as const;

const shared = { kubernetes: 'shared' } as const;

const DRAIN_MOMENTS: readonly Moment[] = ['before cordon', 'during cordon', 'after cordon', 'during drain'];

/** Nothing of the run remains on the node in Kubernetes. */
async function expectUncordoned(scenario: Scenario): Promise<void> {
  const node = await scenario.kubernetes.node();
  expect(node.spec?.unschedulable).toBeUndefined();
  expect(node.metadata?.annotations).not.toHaveProperty([CORDON_ANNOTATION]);
}

async function kubectl(scenario: Scenario, what: 'cordon' | 'uncordon'): Promise<void> {
  const { plane, nodeName } = scenario.kubernetes;
  const { code, output } = await plane.kubectl(what, nodeName);
  if (code !== 0) throw new Error(output);
}

function removeAnnotation(scenario: Scenario): Promise<unknown> {
  const { plane, nodeName } = scenario.kubernetes;
  return plane.api.patch(
    { kind: 'Node', name: nodeName },
    { metadata: { annotations: { [CORDON_ANNOTATION]: null } } },
  );
}

/** At once, unlike a program that has to start. */
function uncordon(scenario: Scenario): Promise<unknown> {
  const { plane, nodeName } = scenario.kubernetes;
  return plane.api.patch({ kind: 'Node', name: nodeName }, { spec: { unschedulable: null } });
}

const HAS_REBOOT_PENDING: Expected = {
  state: 'failed',
  transactions: 1,
  reboots: 0,
  // A reboot would hit the returning pods; the packages are applied.
  sentence:
    /^w-1 was uncordoned by somebody else before it was rebooted.*; 3 pods were evicted and 2 packages were changed$/,
  left: ['reboot-required'],
};

/** The drain may be over before the request. */
async function uncordonedInTime(scenario: Scenario): Promise<Expected> {
  await scenario.ended();
  if (countTransactions(scenario.node) > 0) return HAS_REBOOT_PENDING;
  const sentence = /^w-1 was uncordoned by somebody else while it was drained.*; ([1-3] pods? w|nothing w)/;
  const kubernetes = { drain: null, evicted: 'any', left: 'any' } as const;
  return { state: 'failed', transactions: 0, reboots: 0, sentence, kubernetes };
}

/** Cancels the run. One that has not begun with packages changes none, and a second run applies all of them. */
async function cancelAndPatchAgain(scenario: Scenario, check: (expected: Expected) => Promise<void>): Promise<void> {
  await scenario.cancel();
  const hasBegun = jobHas(scenario.node, 'apply', 'parameters') || countTransactions(scenario.node) > 0;
  const { lastRun } = await scenario.ended();
  await expectUncordoned(scenario);
  expect(countTransactions(scenario.node)).toBe(hasBegun ? 1 : 0);
  await scenario.patch();
  if (!hasBegun) {
    expect(lastRun).toMatchObject({ outcome: 'cancelled' });
    await check({ ...PATCHED, run: 2, kubernetes: { evicted: 'any', left: 'any' } });
  } else if (lastRun?.rebootPending === 1) {
    await check({ ...PATCHED, run: 2, kubernetes: { evicted: 0, left: REPLICAS } });
  } else {
    // The reboot was already requested.
    const kubernetes = { cordonedBefore: null, left: REPLICAS };
    await check({ state: 'up-to-date', transactions: 1, reboots: 1, ownReboots: 0, run: 2, kubernetes });
  }
}

describe('faults/kubernetes/people', () => {
  for (const moment of DRAIN_MOMENTS) {
    const quick = moment === 'during drain';
    fault('kubernetes', `the run is cancelled ${moment}`, { ...shared, quick }, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await cancelAndPatchAgain(scenario, check);
    });
  }

  fault('kubernetes', 'the run is cancelled during apply of a drained node', shared, async (scenario, check) => {
    await scenario.patch();
    await scenario.reach('during apply');
    await cancelAndPatchAgain(scenario, check);
  });

  for (const moment of [...DRAIN_MOMENTS, 'during apply', 'during healthy'] as const) {
    fault('kubernetes', `the node patch is terminated ${moment}`, shared, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await scenario.client.workflow.getHandle(nodeWorkflowId(scenario.cluster, scenario.node.name)).terminate();
      expect((await scenario.ended()).lastRun).toMatchObject({ outcome: 'failed' });
      await expectUncordoned(scenario);
      if (moment === 'during apply') {
        await waitFor(() => jobHas(scenario.node, 'apply', 'rc'), { what: 'the end of apply', timeoutMs: 60_000 });
      }
      await scenario.patch();
      const isDone = moment === 'during healthy';
      await check({
        state: isDone ? 'up-to-date' : 'patched',
        transactions: 1,
        reboots: 1,
        ownReboots: isDone ? 0 : 1,
        run: 2,
        kubernetes: isDone ? { cordonedBefore: null, left: REPLICAS } : { evicted: 'any', left: 'any' },
      });
    });
  }

  fault('kubernetes', 'run and node patch are terminated during drain', shared, async (scenario, check) => {
    await scenario.patch();
    await scenario.reach('during drain');
    const { client, cluster, node } = scenario;
    await (await findRun(client, cluster, 1)).terminate();
    await client.workflow.getHandle(nodeWorkflowId(cluster, node.name)).terminate();
    await scenario.ended();
    await scenario.patch();
    await check({ ...PATCHED, run: 2, kubernetes: { cordonedBefore: 'ospatch', evicted: 'any', left: 'any' } });
  });

  fault('kubernetes', 'somebody has cordoned the node before', shared, async (scenario, check) => {
    await kubectl(scenario, 'cordon');
    await scenario.patch();
    scenario.moment = 'before preflight';
    await check({ ...PATCHED, kubernetes: { cordoned: true, cordonedBefore: 'others' } });
  });

  fault(
    'kubernetes',
    'somebody cordons the node at the moment of the cordon by ospatch',
    shared,
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('before cordon');
      await kubectl(scenario, 'cordon');
      await scenario.ended();
      // kubectl came second and changed nothing: the node is cordoned already.
      const { spec, metadata } = await scenario.kubernetes.node();
      const isTheirs = spec?.unschedulable === true;
      expect(metadata?.annotations).not.toHaveProperty([CORDON_ANNOTATION]);
      await check({ ...PATCHED, kubernetes: { cordoned: isTheirs } });
    },
  );

  for (const moment of ['after cordon', 'before drain', 'during drain'] as const) {
    const quick = moment === 'during drain';
    fault('kubernetes', `somebody uncordons the node ${moment}`, { ...shared, quick }, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await uncordon(scenario);
      await check(await uncordonedInTime(scenario));
    });
  }

  fault(
    'kubernetes',
    'somebody uncordons the node while no worker runs its drain',
    { ...shared, ownWorker: true },
    async (scenario, check) => {
      await scenario.patch();
      await scenario.reach('during drain');
      await scenario.worker.kill9();
      await uncordon(scenario);
      await sleep(scenario.random.between(0, 10_000));
      await scenario.startWorker();
      await check(await uncordonedInTime(scenario));
    },
  );

  for (const moment of ['after drain', 'during apply'] as const) {
    fault('kubernetes', `somebody uncordons the node ${moment}`, shared, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await kubectl(scenario, 'uncordon');
      await check(HAS_REBOOT_PENDING);
    });
  }

  fault('kubernetes', 'pods come back while the cordon is off for a while', shared, async (scenario, check) => {
    await scenario.patch();
    await scenario.reach('before apply');
    await kubectl(scenario, 'uncordon');
    await scenario.kubernetes.sendHome();
    await kubectl(scenario, 'cordon');
    // The pods are evicted once more, one after the other, before the reboot.
    await check({ ...PATCHED, kubernetes: { cordoned: true, evicted: 'any', left: 'any' } });
    expect(scenario.kubernetes.sightings().left).toBeGreaterThan(REPLICAS + 1);
  });

  for (const moment of ['during apply', 'during node down', 'during healthy'] as const) {
    fault('kubernetes', `somebody uncordons and cordons the node ${moment}`, shared, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await kubectl(scenario, 'uncordon');
      await kubectl(scenario, 'cordon');
      await check({ ...PATCHED, kubernetes: { cordoned: true } });
    });
  }

  for (const moment of ['after cordon', 'during drain', 'during apply', 'during healthy'] as const) {
    fault('kubernetes', `somebody removes the owner annotation ${moment}`, shared, async (scenario, check) => {
      await scenario.patch();
      await scenario.reach(moment);
      await removeAnnotation(scenario);
      // Without an owner the cordon belongs to somebody else.
      const node = await waitFor(() => scenario.kubernetes.node(), { what: 'the node' });
      expect(node.spec?.unschedulable).toBe(true);
      await check({ ...PATCHED, kubernetes: { cordoned: true } });
    });
  }
});
