/** A real kernel from Debian's archive, a real initial RAM disk, a real boot loader and a real reboot into it. */
import '../support/slow-suite';
import type { RunReport } from '../../src/client/cluster-client';
import type { VmLab } from '../../tools/vm/machine';
import { createVm } from '../../tools/vm/machine';
import type { Product } from '../e2e/stack';
import { startProduct } from '../e2e/stack';
import { startTemporalServer } from '../support/local-stack';
import { tableRow } from './table';
import { nodePatch } from '../support/members';

/** A kernel takes minutes to install under full emulation. */
const RUN_LIMIT_MS = 40 * 60_000;
const NAME = 'vm-1';

jest.setTimeout(RUN_LIMIT_MS + 60_000);

describe('a machine with a kernel of its own', () => {
  let vm: VmLab;
  let product: Product;
  let row: ReturnType<typeof tableRow>;
  let oldKernel: string;

  beforeAll(async () => {
    const server = await startTemporalServer();
    vm = await createVm(NAME);
    const { machine, ...lab } = vm;
    product = await startProduct(server, { ...lab, nodes: [machine] }, { timeoutMs: RUN_LIMIT_MS });
    row = tableRow(`Debian (${vm.suite}) in an emulated machine, grub, real kernels`, machine);
    oldKernel = (await machine.exec('uname -r')).stdout.trim();
  });

  afterAll(async () => {
    await row?.end();
    await product?.stop();
  });

  it('has its kernel and the pending kernel in doctor and check', async () => {
    await row.step('enroll, doctor and check', async () => {
      const file = product.writeSpec({ name: NAME, patching: '{rebootIfRequired: true}' });
      expect(await product.cli('enroll', '-f', file, '--yes')).toMatchObject({ code: 0 });
      expect(await product.cli('apply', '-f', file)).toMatchObject({ code: 0 });
      expect(await product.cli('doctor', '-f', file)).toMatchObject({ code: 0, stderr: '' });
      const check = await product.cli('check', NAME, '-o', 'json');
      expect(JSON.parse(check.stdout)).toMatchObject([{ node: NAME, error: null }]);
      expect(vm.machine.kernels).toEqual([oldKernel]);
    });
  });

  it('boots the new kernel after one transaction and one reboot', async () => {
    await row.step('kernel update and reboot', async () => {
      const patched = await product.cli('patch', NAME, '--wait');
      expect(patched).toMatchObject({ code: 0 });
      const kernels = vm.machine.kernels;
      expect(kernels).toHaveLength(2);
      expect(kernels[0]).toBe(oldKernel);
      const newKernel = (await vm.machine.exec('uname -r')).stdout.trim();
      expect(newKernel).not.toBe(oldKernel);
      expect(kernels[1]).toBe(newKernel);
      const report = JSON.parse((await product.cli('history', NAME, '--run', '1', '-o', 'json')).stdout) as RunReport;
      const record = nodePatch(report.nodes[0]?.record);
      expect(record).toMatchObject({ outcome: 'patched', reboots: 1, error: null });
      expect(record.changes).toContainEqual(
        expect.objectContaining({ name: `linux-image-${newKernel}`, from: null, to: expect.any(String) }),
      );
      expect((await product.status(NAME)).nodes[0]).toMatchObject({ state: 'patched', rebootRequired: false });
      const log = await vm.machine.exec("grep -c '^Commandline: .*dist-upgrade' /var/log/apt/history.log");
      expect(log.stdout.trim()).toBe('1');
    });
  });

  it('is up to date afterwards: the running kernel requires no reboot', async () => {
    await row.step('up to date', async () => {
      expect(await product.cli('patch', NAME, '--wait')).toMatchObject({ code: 0 });
      expect((await product.status(NAME)).nodes[0]).toMatchObject({ state: 'up-to-date', rebootRequired: false });
      expect(vm.machine.bootCount).toBe(2);
    });
  });
});
