/** An EKS cluster through the built CLI: Temporal, worker and AWS SDK are real, the EKS API is simulated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ClusterClient } from '../../src/client/cluster-client';
import { EksServer, FAULTS } from '../support/eks-server';
import type { TemporalServer, WorkerProcess } from '../support/local-stack';
import { startTemporalServer, startWorkerProcess } from '../support/local-stack';
import type { CliResult } from '../support/run-cli';
import { runCli } from '../support/run-cli';
import { waitFor } from '../support/wait-for';
import { runEnded } from '../support/run-ended';
import '../support/slow-suite';

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'AKIASIMULATED0000001',
  AWS_SECRET_ACCESS_KEY: 'simulated-secret',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

let dir: string;
let server: TemporalServer;
let worker: WorkerProcess;
let eks: EksServer;
let client: ClusterClient;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'ospatch-eks-'));
  [server, eks] = await Promise.all([startTemporalServer(), EksServer.start()]);
  worker = await startWorker();
  client = await ClusterClient.connect({ address: server.address, deadlineMs: 60_000 });
});

afterAll(async () => {
  await client.close();
  await worker.stop();
  await Promise.all([server.stop(), eks.stop()]);
  rmSync(dir, { recursive: true });
});

function startWorker(): Promise<WorkerProcess> {
  return startWorkerProcess({ address: server.address, keyDir: dir, env: CREDENTIALS });
}

function cli(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { TEMPORAL_ADDRESS: server.address, TZ: 'UTC' }, cwd: dir });
}

function writeSpec(name: string, more = ''): string {
  const lines = [
    ...['apiVersion: ospatch/v1', `name: ${name}`, 'type: eks', 'eks:', '  region: eu-central-1'],
    ...[`  cluster: ${eks.cluster}`, `  endpoint: ${eks.endpoint}`],
  ];
  writeFileSync(path.join(dir, `${name}.yaml`), `${lines.join('\n')}\n${more}`);
  return `${name}.yaml`;
}

describe('e2e/eks', () => {
  it('is validated, planned, checked and diagnosed without changes', async () => {
    eks.addGroup('blue', {
      issues: [{ code: 'NodeCreationFailure', message: 'too few instances', resourceIds: ['i-1'] }],
    });
    eks.addGroup('Custom_1', { amiType: 'CUSTOM' });
    eks.fargateProfiles = ['serverless'];
    const file = writeSpec('eks-a', 'patching: {timeZone: Europe/Berlin, schedule: weekly}\n');
    expect((await cli('validate', '-f', file)).stdout).toMatch(
      /is valid \(eks, all node groups, every Sunday at 00:00/,
    );
    expect((await cli('next', '-f', file)).stdout).toMatch(/Sun \S+ 00:00 {3}\S+T2[23]:00:00Z/);
    expect((await cli('apply', '-f', file)).stdout).toContain('eks-a created');
    expect((await cli('apply', '-f', file)).stdout).toContain('eks-a unchanged');
    const checked = await cli('check', 'eks-a');
    expect(checked.code).toBe(0);
    expect(checked.stdout).toMatch(/^blue +yes +1\.31\.3-20250103 +1\.31 +ACTIVE +AL2023_x86_64_STANDARD/m);
    expect(checked.stdout).toContain('skipped: node group Custom_1 runs a custom AMI');
    expect(checked.stdout).toContain('AWS reports: NodeCreationFailure: too few instances (i-1)');
    expect(checked.stdout).toContain('1 Fargate profile (serverless) skipped');
    const plan = await cli('plan', 'eks-a', '-o', 'json');
    expect(plan.code).toBe(0);
    expect(JSON.parse(plan.stdout)).toMatchObject({
      ...{ cluster: 'eks-a', type: 'eks', trigger: 'schedule', blockers: [] },
      groups: [
        { nodeGroup: 'Custom_1', outcome: 'skipped', request: null },
        // The simulated AWS says no newest release before it is asked for an update.
        {
          ...{ nodeGroup: 'blue', outcome: null, release: '1.31.3-20250103', newest: null },
          ...{ reason: expect.stringContaining('is not known'), request: { kubernetesVersion: '1.31', force: false } },
        },
      ],
    });
    expect((await cli('plan', 'eks-a')).stdout).toMatch(
      /^blue +\d\d:00-\d\d:20 +1\.31\.3-20250103 +\? +1\.31 +unknown/m,
    );
    const doctor = await cli('doctor', '-f', file);
    expect(doctor.code).toBe(0);
    expect(doctor.stdout).toContain('AWS answers, accepts the credentials of the worker');
    expect(doctor.stdout).toContain('2 node groups');
    expect(eks.updates).toEqual([]);
  });

  it('patches on demand, waits, and shows releases in status and history', async () => {
    const patched = await cli('patch', 'eks-a', '--wait', '--reason', 'CVE');
    expect(patched.stdout).toContain('Custom_1 skipped: node group Custom_1 runs a custom AMI');
    expect(patched).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/run 1 of eks-a succeeded after .*1 patched/),
    });
    const { stdout } = await cli('status', 'eks-a');
    expect(stdout).toMatch(/^Node group +State +Last Applied Patch Time +Patched Version +Before +Kubernetes +Health/m);
    expect(stdout).toMatch(
      /^blue +patched +\d{4}-.* 1\.31\.4-20250203 +1\.31\.3-20250103 +1\.31 +NodeCreationFailure/m,
    );
    const history = await cli('history', 'eks-a', '--run', '1');
    expect(history.stdout).toMatch(/Release +1\.31\.3-20250103 -> 1\.31\.4-20250203/);
    expect(history.stdout).toMatch(new RegExp(`Update +${eks.updates[0]?.id}`));
    const logs = await cli('logs', 'eks-a', 'blue');
    expect(logs).toMatchObject({ code: 1, stderr: expect.stringContaining('a node group of EKS has no log') });
    const yaml = (await cli('get', 'eks-a', '-o', 'yaml')).stdout;
    writeFileSync(path.join(dir, 'again.yaml'), yaml);
    expect((await cli('apply', '-f', 'again.yaml')).stdout).toContain('eks-a unchanged');
  });

  it('keeps following the update after a worker kill, shows the update, and cancels groups without an update yet', async () => {
    eks.latest = '1.31.5-20250303';
    eks.addGroup('green');
    eks.hold = true;
    const before = eks.updates.length;
    await cli('patch', 'eks-a', '--nodes', 'blue,green');
    await waitFor(() => eks.updates.length > before, { what: 'the update', timeoutMs: 60_000 });
    await worker.kill9();
    worker = await startWorker();
    const live = await waitFor(
      async () => {
        const [current] = (await client.status('eks-a')).current;
        return current?.waitingFor?.includes('at AWS') === true ? current : null;
      },
      { what: 'the wait in the status', timeoutMs: 90_000, pollMs: 1_000 },
    );
    expect(live).toMatchObject({ node: 'blue', step: 'apply' });
    expect((await cli('cancel', 'eks-a')).code).toBe(0);
    eks.hold = false;
    const status = await runEnded(client, 'eks-a', 2);
    expect(status.lastRun).toMatchObject({ outcome: 'cancelled', patched: 1, notTried: 1 });
    // The worker may have died before it recorded the request; the repetition carries the same token, which AWS recognises.
    expect(eks.updates).toHaveLength(before + 1);
  });

  it('begins no second update when the worker is killed before the answer of AWS, and none at the newest release', async () => {
    eks.latest = '1.31.6-20250403';
    eks.published = eks.latest;
    eks.replacesForNothing = true;
    eks.swallowsAnswers = true;
    const before = eks.updates.length;
    const check = await cli('check', 'eks-a');
    expect(check.stdout).toContain('; a run updates blue to 1.31.6-20250403, green to 1.31.6-20250403');
    await cli('patch', 'eks-a', '--nodes', 'blue');
    await waitFor(() => eks.updates.length > before, { what: 'the update', timeoutMs: 60_000 });
    await worker.kill9();
    eks.swallowsAnswers = false;
    worker = await startWorker();
    const status = await runEnded(client, 'eks-a', 3);
    expect(status.lastRun).toMatchObject({ outcome: 'succeeded', patched: 1 });
    expect(eks.updates).toHaveLength(before + 1);
    const record = await cli('history', 'eks-a', '--run', '3');
    expect(record.stdout).toMatch(new RegExp(`Update +${eks.updates.at(-1)?.id}`));
    expect(record.stdout).not.toContain('somebody else');

    expect((await cli('patch', 'eks-a', '--nodes', 'blue', '--wait')).stdout).toMatch(
      /run 4 of eks-a succeeded .*1 up-to-date/,
    );
    expect(eks.updates).toHaveLength(before + 1);
  });

  it('reports bad credentials in check, doctor and run, without their value', async () => {
    eks.fault = FAULTS.expired;
    const checked = await cli('check', 'eks-a');
    const examined = await cli('doctor', 'eks-a');
    const patched = await cli('patch', 'eks-a', '--wait');
    for (const { code, stdout, stderr } of [checked, examined, patched]) {
      expect(code).toBe(1);
      expect(stdout + stderr).toContain('AWS does not accept the credentials of the worker');
      expect(stdout + stderr).toContain('renew the AWS credentials');
      expect(stdout + stderr + worker.logs()).not.toMatch(/AKIASIM|simulated-secret/);
    }
    eks.fault = null;
  });

  it('rejects fields of self-managed clusters, each with its reason', async () => {
    const file = writeSpec('eks-b', 'patching: {rebootIfRequired: true, packages: {only: security}}\nnodes: []\n');
    const { code, stdout, stderr } = await cli('validate', '-f', file);
    expect(code).toBe(2);
    expect(stdout + stderr).toContain(
      'patching.rebootIfRequired: not for a cluster of type eks: AWS replaces the nodes of a node group with new ones, so nothing is rebooted; remove it',
    );
    expect(stdout + stderr).toContain('patching.packages: not for a cluster of type eks');
    expect(stdout + stderr).toContain('nodes: not for a cluster of type eks');
  });
});
