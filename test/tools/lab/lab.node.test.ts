import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { Lab } from '../../../tools/lab/lab';
import { createLab } from '../../../tools/lab/lab';
import { FEW_UPDATES } from '../../../tools/lab/recipe';
import { waitFor } from '../../support/wait-for';
import { sh } from '../../support/sh';

const REGISTER = path.join(__dirname, '../../../tools/register.js');
const LAB = path.join(__dirname, '../../../tools/lab/lab.ts');
/** By the lists of the image: the archive may have changed since. */
const PENDING = "set -o pipefail; apt-get -s dist-upgrade | sed -n '/^Inst /p'";
const MANY = 15;
const BOOT_ID = 'cat /proc/sys/kernel/random/boot_id';

describe('tools/lab', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await createLab({
      nodes: [
        { name: 'behind', updates: 'few', labReboot: true, oldBaseFiles: true },
        { name: 'current', updates: 'none', archive: true },
      ],
    });
  });

  afterAll(() => lab.stop());

  async function bootId(name: string): Promise<string> {
    return sh(lab.node(name), BOOT_ID);
  }

  it('boots machines with systemd, a host name and a machine id of their own', async () => {
    const answers = await Promise.all(
      lab.nodes.map((node) => node.exec('systemctl is-system-running --wait; hostname; cat /etc/machine-id')),
    );
    const [behind, current] = answers.map((answer) => answer.stdout.trim().split('\n'));
    expect(behind?.slice(0, 2)).toEqual(['running', 'behind']);
    expect(current?.slice(0, 2)).toEqual(['running', 'current']);
    expect(behind?.[2]).toMatch(/^[0-9a-f]{32}$/);
    expect(behind?.[2]).not.toBe(current?.[2]);
  });

  it('lets the user ospatch log in with the lab key and become root without a password', async () => {
    const answer = await lab.node('current').exec('sudo -n id -u', 'ospatch');
    expect(answer).toMatchObject({ code: 0, stdout: '0\n' });
  });

  it('leaves a few real updates, the older point release and the lab package pending on an outdated node', async () => {
    const pending = (await sh(lab.node('behind'), PENDING)).split('\n');
    const real = pending.filter((line) => line.includes('Debian')).length;
    expect(real).toBeGreaterThanOrEqual(FEW_UPDATES + 1);
    // The archive of the day decides how many others an update takes along.
    expect(real).toBeLessThan(MANY);
    expect(pending.some((line) => line.startsWith('Inst base-files '))).toBe(true);
    expect(pending.some((line) => line.startsWith('Inst lab-reboot [1.0] (1.1 '))).toBe(true);
  });

  it('leaves nothing pending on a node without updates until its repository publishes one', async () => {
    expect(await sh(lab.node('current'), PENDING)).toBe('');
  });

  it('requires a reboot when lab-reboot is updated and starts the machine again when it reboots', async () => {
    const node = lab.node('behind');
    const before = await bootId('behind');
    await sh(node, 'DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --only-upgrade lab-reboot base-files');
    expect((await node.exec('cat /run/reboot-required.pkgs')).stdout).toBe('lab-reboot\n');
    const pointRelease = Number(node.readFile('/etc/debian_version').trim().split('.')[1]);
    expect(pointRelease).toBeGreaterThan(0);
    await node.exec('systemctl reboot');
    await waitFor(() => node.bootCount === 2, { what: 'the second boot', timeoutMs: 120_000 });
    await node.waitForSsh();
    expect(await bootId('behind')).not.toBe(before);
    expect((await node.exec('test -e /run/reboot-required')).code).toBe(1);
  });

  it('keeps the machine off after a power cut until its start, with its files intact', async () => {
    const node = lab.node('current');
    const before = await bootId('current');
    await sh(node, 'echo kept >/root/note');
    await node.powerCut();
    expect(node.running).toBe(false);
    await expect(node.waitForSsh(500)).rejects.toThrow('lab node current is off');
    node.start();
    await node.waitForSsh();
    expect(await bootId('current')).not.toBe(before);
    expect(node.readFile('/root/note')).toBe('kept\n');
  });

  it('shuts down cleanly on stop, so that units end and file systems are synced', async () => {
    const node = lab.node('current');
    await node.stop();
    expect(node.running).toBe(false);
    expect(node.consoleTail(60)).toMatch(/Reached target.*(Power|Shutdown|Final Step)/i);
    node.start();
    await node.waitForSsh();
  });

  it('removes containers, mounts and files when its process is killed', async () => {
    const script = `
      require(${JSON.stringify(REGISTER)});
      const { createLab } = require(${JSON.stringify(LAB)});
      createLab({ nodes: [{ name: 'orphan', updates: 'none' }] }).then((lab) => {
        console.log(lab.dir);
        setInterval(() => undefined, 1000);
      });`;
    const owner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const dir = line.toString().trim();
    expect(readFileSync('/proc/self/mounts', 'utf8')).toContain(`${dir}/nodes/orphan/root`);
    owner.kill('SIGKILL');
    await waitFor(() => !existsSync(dir), { what: 'the end of the orphaned lab' });
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(dir);
  });
});
