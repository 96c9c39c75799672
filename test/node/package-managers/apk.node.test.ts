import type { Lab } from '../../../src/dev/lab/lab';
import { createLab } from '../../../src/dev/lab/lab';
import type { LabNode } from '../../../src/dev/lab/lab-node';
import type { Job } from '../../../src/node/job-id';
import { createTransportPool } from '../../../src/ssh/pool';
import type { TransportPool } from '../../../src/ssh/transport';
import { closeGate, openGate } from '../../support/gate';
import { LAB_START_MS, activityRunner, ask, remoteNode, targetOf, token, until } from '../support';
import { REBOOT_COMMAND, offer, pretendToBeAlpine } from './apk-lab';
import type { PatchRunner } from './patch-runner';
import { patchRunner } from './patch-runner';
import { sh } from '../../support/sh';

const OLD = { 'alpine-release': '3.20.3-r0', kubelet: '1.30.1-r0', zlib: '1.3.1-r0' };
const NEW = { 'alpine-release': '3.20.4-r0', kubelet: '1.30.2-r0', zlib: '1.3.1-r1' };

jest.setTimeout(180_000);

/** The helper under busybox without systemd. What stands in for apk replays what the real one has printed. */
describe('src/node/helper/detached.sh on a node that passes for Alpine', () => {
  let lab: Lab;
  let pool: TransportPool;
  let node: LabNode;
  let preflight: PatchRunner;

  beforeAll(async () => {
    lab = await createLab({ nodes: [{ name: 'alpine', updates: 'none', archive: true }] });
    node = lab.node('alpine');
    pool = createTransportPool({ keyDir: lab.keyDir });
    await pretendToBeAlpine(node);
    preflight = patchRunner(activityRunner(pool), node);
  }, LAB_START_MS);

  afterAll(async () => {
    pool?.close();
    await lab?.stop();
  });

  const transactions = () => ask(node, 'grep -c . /srv/transactions');
  const poll = async (job: Job) => (await remoteNode(pool, targetOf(node)).poll(job, 0, 0)).state;

  it('applies what was planned once, however often it is started at the same time, and keeps other jobs out', async () => {
    await offer(node, OLD, NEW);
    closeGate(node);
    const { facts, plan, changes, jobToken, apply } = await preflight();
    expect(facts).toMatchObject({
      packageManager: 'apk',
      osVersion: 'Alpine Linux 3.20.3',
      systemState: 'running',
      packages: { count: 3, problems: [] },
      reboot: { required: false },
    });
    expect(changes).toEqual(['alpine-release 3.20.3-r0 3.20.4-r0', 'zlib 1.3.1-r0 1.3.1-r1']);
    expect(plan.keptBack).toEqual([{ name: 'kubelet', reason: 'kubernetes' }]);

    const applies = Promise.all(Array.from({ length: 6 }, apply));
    await until('the transaction', async () => (await transactions()) === '1');
    const other = { token: token(), phase: 'apply', number: 1 } as const;
    const answer = await remoteNode(pool, targetOf(node)).start(other, { expect: plan.digest, waitSeconds: 0 });
    expect(answer).toMatchObject({ state: 'busy', holder: `${jobToken}-apply-1` });
    openGate(node);

    for (const outcome of await applies) {
      expect(outcome).toMatchObject({ state: 'done', result: { error: null, changes: [{}, {}] } });
    }
    expect(await transactions()).toBe('1');
    const log = await ask(node, '/usr/local/libexec/ospatch-node-* log last 9999');
    expect(log).toContain(`==> ${jobToken}-apply-1 <==\n(1/2) Upgrading alpine-release (3.20.3-r0 -> 3.20.4-r0)`);
  });

  it('changes nothing when the set is another one than planned', async () => {
    await offer(node, OLD, NEW);
    const { apply } = await preflight();
    await offer(node, OLD, { ...NEW, zlib: '1.3.1-r2' });
    await expect(apply()).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await transactions()).toBe('');
  });

  it('takes a job for alive until what its killed wrapper has left running has ended, then repairs', async () => {
    await offer(node, OLD, NEW);
    closeGate(node);
    const { jobToken, plan, apply, repair } = await preflight();
    const job = { token: jobToken, phase: 'apply', number: 1 } as const;
    const outcome = apply();
    await until('the transaction', async () => (await transactions()) === '1');
    await sh(node, 'kill -9 $(cut -d" " -f2 /var/lib/ospatch/session)');
    // Questions of the worker take the lock for a moment too.
    await until('the lock', async () => {
      return (await ask(node, '/usr/bin/flock -n /var/lib/ospatch/lock echo free')) === 'free';
    });
    expect(await poll(job)).toBe('running');
    const next = { ...job, number: 2 };
    const answer = await remoteNode(pool, targetOf(node)).start(next, { expect: plan.digest, waitSeconds: 0 });
    expect(answer.state).toBe('busy');
    openGate(node);

    expect(await outcome).toMatchObject({ state: 'interrupted' });
    expect(await poll(job)).toBe('lost-killed');
    expect(await repair()).toMatchObject({
      state: 'done',
      result: { error: null, changes: [{ name: 'alpine-release', to: '3.20.4-r0' }, { name: 'zlib' }] },
    });
    expect(await transactions()).toBe('1');
    expect((await preflight()).changes).toEqual([]);
  });

  it('waits for the lock of apk and then looks again at what would change', async () => {
    await offer(node, OLD, NEW);
    const { apply } = await preflight();
    await sh(
      node,
      'setsid /usr/bin/flock /lib/apk/db/lock sh -c "until [ -e /srv/go ]; do sleep 0.1; done" >/dev/null 2>&1 </dev/null &',
    );
    const outcome = apply();
    await until('the wait', async () =>
      /^ospatch: waiting for \/lib\/apk\/db\/lock, held by flock \(pid \d+\)$/m.test(
        await ask(node, 'cat /var/lib/ospatch/runs/*-apply-1/log'),
      ),
    );
    expect(await transactions()).toBe('');
    await offer(node, OLD, { ...NEW, zlib: '1.3.1-r2' });
    await sh(node, 'touch /srv/go');
    await expect(outcome).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await transactions()).toBe('');
  });

  it('reboots once, and only with the right boot id', async () => {
    const remote = remoteNode(pool, targetOf(node));
    const bootId = await ask(node, 'cat /proc/sys/kernel/random/boot_id');
    expect(await remote.reboot('00000000-0000-0000-0000-000000000000', REBOOT_COMMAND)).toMatchObject({
      state: 'rebooted',
    });
    expect(await remote.reboot(bootId, REBOOT_COMMAND)).toMatchObject({ state: 'rebooting' });
    expect(await remote.reboot(bootId, REBOOT_COMMAND)).toMatchObject({ state: 'rebooting' });
    await until('the reboot', async () => (await ask(node, 'cat /srv/reboots 2>/dev/null')) !== '');
    expect(await ask(node, 'cat /srv/reboots')).toBe('reboot');
  });
});
