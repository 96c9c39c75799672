/** Reboots happen only when required by the node and allowed by the spec. */
import '../support/slow-suite';
import { barrierPackage, openBarrier } from '../support/barrier';
import { slowPackage } from '../support/local-stack';
import { waitFor } from '../support/wait-for';
import type { Stack } from './stack';
import { startStack } from './stack';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack([
    {
      name: 'w-1',
      updates: 'none',
      labReboot: true,
      labUpdates: [{ from: slowPackage('1.0', 0), to: barrierPackage('1.1') }],
    },
  ]);
  const file = stack.writeSpec({ name: 'strict', patching: '{rebootIfRequired: true}' });
  await stack.cli('enroll', '-f', file, '--yes');
});

afterAll(() => stack.stop());

async function bootId(): Promise<string> {
  return (await stack.lab.node('w-1').exec('cat /proc/sys/kernel/random/boot_id')).stdout.trim();
}

describe('e2e/reboots', () => {
  it('withdraws the permission to reboot during a run, and reports a pending reboot', async () => {
    const before = await bootId();
    const allowed = stack.writeSpec({ name: 'strict', patching: '{rebootIfRequired: true}' });
    await stack.cli('apply', '-f', allowed);
    await stack.cli('patch', 'strict');
    await waitFor(async () => (await stack.status('strict')).current.some((node) => node.step === 'apply'), {
      what: 'the apply on w-1',
      timeoutMs: 60_000,
    });
    const restricted = stack.writeSpec({ name: 'strict', patching: '{rebootIfRequired: false}' });
    expect((await stack.cli('apply', '-f', restricted)).stdout).toContain('rebootIfRequired');
    openBarrier(stack.lab.node('w-1'));
    const status = await stack.runEnded('strict', 1);
    expect(status.nodes[0]).toMatchObject({
      state: 'reboot-pending',
      rebootRequired: true,
      lastAppliedPatchTime: expect.any(String),
    });
    expect(await bootId()).toBe(before);
  });

  it('leaves the reboot pending in later runs while restricted, and exits with 0', async () => {
    const before = await bootId();
    const patched = await stack.cli('patch', 'strict', '--wait');
    expect(patched).toMatchObject({ code: 0 });
    expect(patched.stdout).toContain('reboot');
    expect(await bootId()).toBe(before);
  });

  it('runs the pending reboot once allowed, although there is nothing to apply', async () => {
    const before = await bootId();
    await stack.cli('apply', '-f', stack.writeSpec({ name: 'strict', patching: '{rebootIfRequired: true}' }));
    expect(await stack.cli('patch', 'strict', '--wait')).toMatchObject({ code: 0 });
    expect(await bootId()).not.toBe(before);
    const status = await stack.status('strict');
    expect(status.nodes[0]).toMatchObject({ state: 'patched', rebootRequired: false });
  });

  it('reboots once for a reason that reappears with the boot, reports the reason, and does not reboot again', async () => {
    const node = stack.lab.node('w-1');
    const unit =
      '[Unit]\\nBefore=ssh.service\\n[Service]\\nType=oneshot\\nExecStart=/usr/bin/touch /run/reboot-required\\n[Install]\\nWantedBy=sysinit.target\\n';
    const made = await node.exec(
      `printf '${unit}' >/etc/systemd/system/lab-asks.service && systemctl enable lab-asks && touch /run/reboot-required`,
    );
    expect(made.code).toBe(0);
    const before = await bootId();
    const patched = await stack.cli('patch', 'strict', '--wait');
    expect(patched).toMatchObject({ code: 0 });
    expect(patched.stdout).toContain('the last reboot did not clear the reason');
    const rebooted = await bootId();
    expect(rebooted).not.toBe(before);
    const [first] = (await stack.status('strict')).nodes;
    expect(first).toMatchObject({ state: 'patched', rebootRequired: false });
    expect(first?.warnings.map(({ kind }) => kind)).toContain('reboot-ineffective');

    const check = await stack.cli('check', 'strict', '-o', 'json');
    expect(JSON.parse(check.stdout)).toMatchObject([{ facts: { reboot: { required: false } } }]);
    expect(check.stdout).toContain('the last reboot did not clear the reason');
    const doctor = await stack.cli('doctor', '-f', 'strict.yaml');
    expect(doctor.stdout).toContain('the last reboot did not clear the reason');
    expect(doctor.stdout).not.toContain('the next run reboots the node');

    expect(await stack.cli('patch', 'strict', '--wait')).toMatchObject({ code: 0 });
    expect(await bootId()).toBe(rebooted);
    // The request is renewed.
    expect((await node.exec('sleep 1; echo again >/run/reboot-required')).code).toBe(0);
    expect(await stack.cli('patch', 'strict', '--wait')).toMatchObject({ code: 0 });
    expect(await bootId()).not.toBe(rebooted);
  });
});
