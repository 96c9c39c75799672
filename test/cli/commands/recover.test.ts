import { ClusterClient } from '../../../src/client/cluster-client';
import type { RecoveryPlan } from '../../../src/client/recovery';
import { runCli } from '../../../src/cli/main';
import { PAYLOAD_ENCRYPTED } from '../../../src/domain/shared/unreadable';
import type { StuckCause } from '../../../src/domain/inspection/stuck';
import { describeStuck } from '../../../src/domain/inspection/stuck';
import { fakeClient, fakeTerminal } from '../support';

const AT = '2026-11-23T11:00:00.000Z';
const FAILED: StuckCause = { kind: 'task-failed', isNondeterminism: false, message: 'boom', attempt: 4 };
const PAUSED: StuckCause = { kind: 'paused-on-server', by: 'me', at: AT, reason: null };
const LOST_KEY: StuckCause = { ...FAILED, message: `a ${PAYLOAD_ENCRYPTED} one` };

function plan(health: RecoveryPlan['health'], more: Partial<RecoveryPlan> = {}): RecoveryPlan {
  return { cluster: 'demo', health, stateOf: AT, nodes: 2, kept: [], lost: [], run: null, ...more };
}

function stuck(obstacle: StuckCause): RecoveryPlan['health'] {
  return { state: 'stuck', stuck: describeStuck('demo', obstacle) };
}

async function run(planned: RecoveryPlan, ...args: string[]) {
  const recover = jest.fn((_cluster: string, options: object) =>
    Promise.resolve({ ...planned, ...options, runId: 'run-2', runEnded: planned.run === null ? null : true }),
  );
  const answers = { planRecovery: () => Promise.resolve(planned), recover };
  jest.spyOn(ClusterClient, 'connect').mockResolvedValue(fakeClient(answers));
  const terminal = fakeTerminal();
  await runCli(['recover', 'demo', ...args], terminal.context);
  return { out: terminal.out(), err: terminal.err(), code: terminal.exitCode(), recovered: recover.mock.calls.length };
}

afterEach(() => jest.restoreAllMocks());

describe('src/cli/commands/recover', () => {
  it('lists what is lost before any change, and does nothing without confirmation', async () => {
    const lost = [{ at: AT, name: 'patchNow', by: 'you\u001b[2J', reason: 'CVE', nodes: ['w-1'] }];
    const kept = [{ at: AT, name: 'pause', by: null, reason: null, nodes: null }];
    const inRun = { number: 7, workflowId: 'x', nodesInWork: ['w-1', 'w-2'] };
    const { err, code, recovered } = await run(plan(stuck(FAILED), { lost, kept, run: inRun }));
    expect({ code, recovered }).toEqual({ code: 2, recovered: 0 });
    expect(err).toContain('cluster demo is stuck, because its workflow code fails on the workers (attempt 4): boom.\n');
    expect(err).toMatch(/lost; send again what still applies:\n {2}\S+ \S+ patchNow of w-1 by you \[2J \(CVE\)\n/);
    expect(err).toMatch(/kept of later messages:\n {2}\S+ \S+ pause\n/);
    expect(err).toContain('run 7 is in progress and ends with it: w-1, w-2 are finished, no other node is started');
    expect(err).toContain('fix: ospatch recover demo --yes');
  });

  it.each<[string, RecoveryPlan['health'], string]>([
    ['runs', { state: 'running' }, 'no problem with it is known'],
    ['was removed', { state: 'removed' }, 'cluster demo was removed'],
    ['is paused on the server', stuck(PAUSED), 'temporal workflow unpause'],
    ['lacks a key that the workers can be given', stuck(LOST_KEY), 'give every worker the key'],
  ])('refuses a cluster that %s, unless forced', async (_, health, said) => {
    const { err, code, recovered } = await run(plan(health), '--yes');
    expect({ code, recovered }).toEqual({ code: 1, recovered: 0 });
    expect(err).toContain(said);
    expect(err).toContain('ospatch recover demo --force');
    expect(await run(plan(health), '--yes', '--force')).toMatchObject({
      code: 0,
      recovered: 1,
      out: 'demo recovered\n',
    });
  });

  it('prints the loss as JSON', async () => {
    const { out, code } = await run(plan(stuck(FAILED)), '--yes', '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      ...{
        cluster: 'demo',
        recovered: true,
        runId: 'run-2',
        stateOf: AT,
        kept: [],
        lost: [],
        run: null,
        runEnded: null,
      },
    });
  });

  it('rejects an invalid duration for the wait', async () => {
    expect(await run(plan(stuck(FAILED)), '--yes', '--wait', 'soon')).toMatchObject({ code: 2, recovered: 0 });
  });
});
