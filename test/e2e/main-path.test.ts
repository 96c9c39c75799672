/** The life of one cluster on real nodes, with every trigger of a patch. */
import type { RunReport } from '../../src/client/cluster-client';
import type { ClusterHistory } from '../../src/domain/cluster/messages';
import type { NodeInspection } from '../../src/domain/inspection/node';
import '../support/slow-suite';
import type { Stack } from './stack';
import { startStack } from './stack';
import { nodePatch } from '../support/members';
import { waitFor } from '../support/wait-for';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack([
    { name: 'cp-1', updates: 'none', labReboot: true },
    { name: 'w-1', updates: 'few', labReboot: true, oldBaseFiles: true },
    { name: 'w-2', updates: 'none' },
  ]);
});

afterAll(() => stack.stop());

/** The log from the first moment at which the cluster has a run that waits for the node or patches it. */
async function followedLog(cluster: string, node: string): Promise<Awaited<ReturnType<Stack['cli']>>> {
  return waitFor(
    async () => {
      const followed = await stack.cli('logs', cluster, node, '--follow');
      return followed.stdout !== '' && followed;
    },
    { what: `a log of ${node}`, timeoutMs: 60_000 },
  );
}

describe('e2e/main-path', () => {
  it('rejects nodes without confirmed host keys, and enrols them after confirmation', async () => {
    const file = stack.writeSpec({ name: 'prod', patching: '{patchOnBoot: true, rebootIfRequired: true}' });
    const rejected = await stack.cli('apply', '-f', file);
    expect(rejected.code).toBe(2);
    expect(rejected.stderr).toContain('ospatch enroll -f');
    expect((await stack.cli('enroll', '-f', file)).code).not.toBe(0);
    const enrolled = await stack.cli('enroll', '-f', file, '--yes');
    expect(enrolled).toMatchObject({ code: 0 });
    expect(enrolled.stdout.match(/SHA256:/g)).toHaveLength(3);
  });

  it('patches new nodes on boot to the latest patch version, workers first, with reboots where required', async () => {
    const file = stack.writeSpec({ name: 'prod', patching: '{patchOnBoot: true, rebootIfRequired: true}' });
    const boots = stack.lab.nodes.map((node) => node.bootCount);
    const dryRun = await stack.cli('apply', '-f', file, '--dry-run');
    expect(dryRun).toMatchObject({ code: 0 });
    expect((await stack.cli('list', '-o', 'json')).stdout).not.toContain('prod');

    const applying = stack.cli('apply', '-f', file, '--wait');
    const followed = await followedLog('prod', 'w-1');
    const applied = await applying;
    expect(applied).toMatchObject({ code: 0 });
    expect(applied.stdout).toContain('prod created');
    expect(followed.stdout).toContain('Unpacking');
    expect(followed.stdout).toBe((await stack.cli('logs', 'prod', 'w-1')).stdout);
    expect(followed.stderr).toMatch(/the patch of w-1 has ended\n$/);

    const status = await stack.status('prod');
    expect(status).toMatchObject({
      cluster: 'prod',
      type: 'self-managed',
      state: 'idle',
      ready: true,
      nextWindow: null,
      run: null,
      lastRun: { trigger: 'boot', outcome: 'succeeded', total: 3 },
    });
    const byName = Object.fromEntries(status.nodes.map((node) => [node.name, node]));
    expect(byName['w-2']).toMatchObject({ state: 'up-to-date', lastAppliedPatchTime: null, bootPatch: 'done' });
    expect(byName['w-1']).toMatchObject({
      state: 'patched',
      bootPatch: 'done',
      rebootRequired: false,
      pendingUpdates: 0,
    });
    const release = stack.lab.node('w-1').readFile('/etc/debian_version').trim();
    expect(byName['w-1']?.patchedVersion).toBe(`Debian GNU/Linux ${release}`);
    expect(Date.parse(byName['w-1']?.lastAppliedPatchTime ?? '')).toBeLessThanOrEqual(Date.now());
    expect(stack.lab.nodes.map((node, at) => node.bootCount - (boots[at] ?? 0))).toEqual([1, 1, 0]);
    expect(['cp-1', 'w-1', 'w-2'].map((node) => stack.transactions(node))).toEqual([1, 1, 0]);
  });

  it('reports unchanged when the same spec is applied again, and exports a spec that changes nothing', async () => {
    const file = stack.writeSpec({ name: 'prod', patching: '{patchOnBoot: true, rebootIfRequired: true}' });
    expect((await stack.cli('apply', '-f', file)).stdout).toContain('prod unchanged');
    const got = await stack.cli('get', 'prod', '-o', 'yaml');
    expect(got).toMatchObject({ code: 0 });
    expect(got.stdout).toContain('ssh-ed25519');
  });

  it('records the changes on every node of a run: packages, versions, boot ids, steps', async () => {
    const { stdout, code } = await stack.cli('history', 'prod', '--run', '1', '-o', 'json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as RunReport;
    expect(report.nodes.map((node) => node.settled.node)).toEqual(['w-1', 'w-2', 'cp-1']);
    const record = nodePatch(report.nodes[0]?.record);
    expect(record).toMatchObject({ outcome: 'patched', reboots: 1, error: null });
    const lab = record.changes.find((change) => change.name === 'lab-reboot');
    expect(lab?.from).not.toBe(lab?.to);
    expect(record.before?.bootId).not.toBe(record.after?.bootId);
    expect(record.before?.packageSetDigest).not.toBe(record.after?.packageSetDigest);
    expect(record.before?.osVersion).not.toBe(record.after?.osVersion);
    expect(record.steps.map((step) => step.step)).toEqual(['preflight', 'apply', 'verify', 'reboot']);
    const log = await stack.cli('logs', 'prod', 'w-1', '--run', '1');
    expect(log).toMatchObject({ code: 0 });
    expect(log.stdout).toContain('Setting up lab-reboot');
  });

  it('patches on a bare signal from the temporal CLI', async () => {
    await stack.lab.node('w-2').offer({ name: 'lab-tool', version: '1.0' });
    const signalled = await stack.temporal('workflow', 'signal', '--workflow-id', 'cluster/prod', '--name', 'patchNow');
    expect(signalled.code).toBe(0);
    const status = await stack.runEnded('prod', 2);
    expect(status.lastRun).toMatchObject({ trigger: 'on-demand', outcome: 'succeeded' });
  });

  it('applies a schedule while sleeping and starts at that very minute', async () => {
    const start = new Date(Math.ceil((Date.now() + 20_000) / 60_000) * 60_000);
    const custom = `{month: ${start.getUTCMonth() + 1}, day: ${start.getUTCDate()}, hour: ${start.getUTCHours()}, minute: ${start.getUTCMinutes()}}`;
    const file = stack.writeSpec({
      name: 'prod',
      patching: `{patchOnBoot: true, rebootIfRequired: true, schedule: {custom: ${custom}}}`,
    });
    const applied = await stack.cli('apply', '-f', file);
    expect(applied.stdout).toContain('prod updated');
    expect(applied.stdout).toContain('patching.schedule');
    const status = await stack.runEnded('prod', 3);
    expect(status.lastRun).toMatchObject({ trigger: 'schedule', outcome: 'succeeded' });
    const late = Date.parse(status.lastRun?.startedAt ?? '') - start.getTime();
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(60_000);
    expect(new Date(status.nextWindow?.start ?? '').getUTCFullYear()).toBe(start.getUTCFullYear() + 1);
    const history = JSON.parse((await stack.cli('history', 'prod', '-o', 'json')).stdout) as ClusterHistory;
    expect(history.windows.at(-1)).toMatchObject({ result: 'run 3' });
    expect(history.runs.map((run) => run.trigger)).toEqual(['boot', 'on-demand', 'schedule']);
  });

  it('checks every node without changes', async () => {
    const { stdout, code } = await stack.cli('check', 'prod', '-o', 'json');
    expect(code).toBe(0);
    const checks = JSON.parse(stdout) as NodeInspection[];
    expect(checks.map((check) => [check.node, check.error])).toEqual([
      ['cp-1', null],
      ['w-1', null],
      ['w-2', null],
    ]);
  });

  it('patches named nodes and waits, with exit code 0', async () => {
    const patched = await stack.cli('patch', 'prod', '--nodes', 'w-2', '--reason', 'ticket 4711', '--wait');
    expect(patched).toMatchObject({ code: 0 });
    const history = JSON.parse((await stack.cli('history', 'prod', '-o', 'json')).stdout) as ClusterHistory;
    expect(history.runs.at(-1)).toMatchObject({ total: 1, reason: 'ticket 4711', by: expect.stringContaining('@') });
  });

  it('removes the cluster and starts without state when applied again', async () => {
    expect((await stack.cli('remove', 'prod')).code).not.toBe(0);
    expect(await stack.cli('remove', 'prod', '--yes')).toMatchObject({ code: 0 });
    const gone = await stack.cli('status', 'prod');
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('no cluster prod');
    const file = stack.writeSpec({ name: 'prod', patching: '{rebootIfRequired: false}' });
    expect((await stack.cli('apply', '-f', file)).stdout).toContain('prod created');
    expect(await stack.status('prod')).toMatchObject({ lastRun: null, state: 'idle' });
  });
});
