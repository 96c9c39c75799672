/** Silences for the node in work and alerts that hold the next one: a real Temporal server and a real Alertmanager. */
import { createAlertActivities } from '../../../src/activities/alerts';
import { nodeWorkflowId } from '../../../src/contract/workflow-ids';
import type { AlertsSpec } from '../../../src/domain/alerts/types';
import type { StatusPage } from '../../../src/domain/cluster/messages';
import { SECOND_MS } from '../../../src/domain/shared/time-units';
import type { ClusterSpec } from '../../../src/domain/spec/types';
import { RealAlertmanager } from '../../support/alertmanager';
import { clusterSpec } from '../../support/builders';
import { waitFor } from '../../support/wait-for';
import type { TestCluster } from '../harness';
import { Harness } from '../harness';

jest.setTimeout(400_000);

const LEASE_MS = 10 * SECOND_MS;

let harness: Harness;
let alertmanager: RealAlertmanager;

beforeAll(async () => {
  [harness, alertmanager] = await Promise.all([Harness.start('real'), RealAlertmanager.start()]);
});

afterAll(async () => {
  await Promise.all([harness.stop(), alertmanager.stop()]);
});

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function spec(name: string, more: Partial<AlertsSpec>): ClusterSpec {
  const alerts: AlertsSpec = {
    alertmanager: { url: [alertmanager.url], startupGrace: '1s' },
    ...(more.block === undefined ? {} : { ignore: ['Watchdog'] }),
    ...more,
  };
  return { ...clusterSpec(['w-1', 'w-2'], {}, name), alerts };
}

async function withCluster(more: Partial<AlertsSpec>, body: (cluster: TestCluster) => Promise<void>): Promise<void> {
  await harness.withWorker(
    async (cluster) => {
      await cluster.apply(spec(cluster.name, more));
      await body(cluster);
    },
    createAlertActivities({ secretDir: null, log }),
  );
}

const SILENCE = {
  matchers: ['instance=~"{{node}}(:.*)?"'],
  ...{ lease: '10s', maxDuration: '2h', onFailure: 'continue' as const },
};

const silencesOf = async (cluster: TestCluster) =>
  (await alertmanager.silences()).filter(({ comment }) => comment.includes(` ${cluster.name} `));

const holdOf = ({ run }: StatusPage) => run?.detail?.hold ?? null;

/** With the hold of the run, which its own workflow knows. */
async function untilHeld(cluster: TestCluster, kind: string): Promise<void> {
  await waitFor(
    async () => {
      const status = await cluster.status();
      const { run } = status;
      if (run === null) return false;
      const progress = await harness.env.client.workflow
        .getHandle(await cluster.runId(run.number))
        .query<{ hold: { kind: string } | null }>('progress')
        .catch(() => null);
      return progress?.hold?.kind === kind || holdOf(status)?.kind === kind;
    },
    { what: `the run to be held by ${kind}`, timeoutMs: 60_000 },
  );
}

describe('alerts of a run', () => {
  it('silences a node while it is in work, renews the silence, and ends it with the node', async () => {
    await withCluster({ silence: SILENCE }, async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('w-1 is being changed', () => cluster.nodes.log.includes('apply w-1'));
      const [first] = await silencesOf(cluster);
      expect(first).toMatchObject({ createdBy: 'ospatch', matchers: [{ name: 'instance', value: 'w-1(:.*)?' }] });
      expect(first?.comment).toContain(`ospatch status ${cluster.name}`);
      await waitFor(
        async () => {
          const all = await silencesOf(cluster);
          expect(all).toHaveLength(1);
          return Date.parse(all[0]?.endsAt ?? '') >= Date.parse(first?.endsAt ?? '') + LEASE_MS;
        },
        { what: 'the silence to outlive its first lease' },
      );
      goOn();
      await cluster.untilIdle(1);
      expect(await silencesOf(cluster)).toEqual([]);
    });
  });

  it('lets the silence of a node patch that was terminated end with its lease', async () => {
    await withCluster({ silence: SILENCE }, async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
      await cluster.until('w-1 is being changed', () => cluster.nodes.log.includes('apply w-1'));
      expect(await silencesOf(cluster)).toHaveLength(1);
      await harness.env.client.workflow.getHandle(nodeWorkflowId(cluster.name, 'w-1')).terminate('killed');
      const killedAt = Date.now();
      await waitFor(async () => (await silencesOf(cluster)).length === 0, { what: 'the end of the silence' });
      expect(Date.now() - killedAt).toBeLessThan(LEASE_MS + 10 * SECOND_MS);
      goOn();
    });
  });

  it('holds the next node while an alert fires, and lets go within 10 s of its end', async () => {
    await withCluster({ block: 'all' }, async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow', {});
      await cluster.until('w-1 is being changed', () => cluster.nodes.log.includes('apply w-1'));
      await alertmanager.fire('HighLoad', { cluster: cluster.name });
      goOn();
      await untilHeld(cluster, 'alerts');
      expect(cluster.nodes.log).not.toContain('apply w-2');
      await alertmanager.resolve('HighLoad', { cluster: cluster.name });
      const endedAt = Date.now();
      await cluster.until('w-2 is started', () => cluster.nodes.log.includes('preflight w-2'));
      expect(Date.now() - endedAt).toBeLessThan(10 * SECOND_MS);
      expect((await cluster.untilIdle(1)).lastRun?.outcome).toBe('succeeded');
    });
  });

  it('holds a run when Alertmanager does not answer, says so, and can be cancelled at once', async () => {
    await alertmanager.kill();
    try {
      await withCluster({ block: 'all' }, async (cluster) => {
        await cluster.handle.signal('patchNow', {});
        await untilHeld(cluster, 'alerts-unknown');
        expect(cluster.nodes.log).toEqual([]);
        await cluster.handle.executeUpdate('cancelRun', { args: [{}] });
        expect((await cluster.untilIdle(1)).lastRun?.outcome).toBe('cancelled');
      });
    } finally {
      await alertmanager.run();
    }
  });

  it('holds a run whose Alertmanager was killed after a node, and goes on when it answers again', async () => {
    await withCluster({ block: 'all' }, async (cluster) => {
      const goOn = cluster.nodes.hold('w-1', 'apply');
      await cluster.handle.signal('patchNow', {});
      await cluster.until('w-1 is being changed', () => cluster.nodes.log.includes('apply w-1'));
      await alertmanager.kill();
      try {
        goOn();
        await untilHeld(cluster, 'alerts-unknown');
        expect(cluster.nodes.log).not.toContain('preflight w-2');
      } finally {
        await alertmanager.run();
      }
      expect((await cluster.untilIdle(1)).lastRun?.outcome).toBe('succeeded');
      expect(cluster.nodes.log).toContain('apply w-2');
    });
  });

  it('ignores alerts in a run that was requested so', async () => {
    await alertmanager.fire('HighLoad');
    try {
      await withCluster({ block: 'all' }, async (cluster) => {
        await cluster.handle.signal('patchNow', { ignoreAlerts: true, reason: 'the fix' });
        expect((await cluster.untilIdle(1)).lastRun?.outcome).toBe('succeeded');
      });
    } finally {
      await alertmanager.resolve('HighLoad');
    }
  });

  it('patches a node whose alerts cannot be silenced, and says so', async () => {
    await alertmanager.kill();
    try {
      await withCluster({ silence: SILENCE }, async (cluster) => {
        await cluster.handle.signal('patchNow', { nodes: ['w-1'] });
        const { nodes } = await cluster.untilIdle(1);
        const [w1] = nodes;
        expect(w1?.lastAppliedPatchTime).not.toBeNull();
        expect(JSON.stringify(w1)).toContain('the alerts of w-1 were not silenced');
      });
    } finally {
      await alertmanager.run();
    }
  });
});
