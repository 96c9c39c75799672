/** A service that still runs replaced code is named in every view of the node until its restart. */
import '../support/slow-suite';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { LabPackage } from '../../tools/lab/packages';
import { sh } from '../support/sh';
import type { Stack } from './stack';
import { startStack } from './stack';

let stack: Stack;

const food = (version: string, program: Buffer): LabPackage => ({
  name: 'lab-food',
  version,
  files: { '/usr/bin/lab-food': program },
});

beforeAll(async () => {
  stack = await startStack([{ name: 'w-1', updates: 'none' }]);
  const node = stack.lab.node('w-1');
  const program = readFileSync(path.join(node.rootDir, 'usr/bin/sleep'));
  await node.offer(food('1', program));
  await sh(
    node,
    `apt-get -qq update && apt-get -qq -y install lab-food >/dev/null 2>&1
     printf '[Service]\\nExecStart=/usr/bin/lab-food infinity\\n' >/etc/systemd/system/lab-food.service
     systemctl daemon-reload && systemctl start lab-food`,
  );
  await node.offer(food('2', program));
  const file = stack.writeSpec({ name: 'fed', patching: '{}' });
  await stack.cli('enroll', '-f', file, '--yes');
  await stack.cli('apply', '-f', file);
});

afterAll(() => stack.stop());

const NAMED = '1 service (lab-food.service) still runs code that was replaced on disk';

describe('e2e/restarts', () => {
  it('names a service with replaced code in every command', async () => {
    const patched = await stack.cli('patch', 'fed', '--wait');
    expect(patched).toMatchObject({ code: 0 });
    expect(patched.stdout).toContain(NAMED);
    expect((await stack.status('fed')).nodes[0]).toMatchObject({ state: 'restart-pending', restartRequired: true });
    for (const command of [
      ['status', 'fed'],
      ['check', 'fed'],
      ['doctor', 'fed'],
      ['history', 'fed', '--run', '1'],
    ]) {
      expect([command[0], (await stack.cli(...command)).stdout.replace(/\s+/g, ' ')]).toEqual([
        command[0],
        expect.stringContaining(NAMED),
      ]);
    }
  });

  it('restarts the service in the next run, although there is nothing to apply, once the policy allows', async () => {
    await stack.cli('apply', '-f', stack.writeSpec({ name: 'fed', patching: '{restartServices: auto}' }));
    expect(await stack.cli('patch', 'fed', '--wait')).toMatchObject({ code: 0 });
    expect((await stack.status('fed')).nodes[0]).toMatchObject({ state: 'up-to-date', warnings: [] });
    expect((await stack.cli('history', 'fed', '--run', '2')).stdout).toMatch(/Restarted +lab-food\.service/);
    expect((await stack.cli('check', 'fed')).stdout).not.toContain('lab-food');
  });
});
