import type { NodeFacts } from '../../../src/domain/node/report';
import {
  decideReboot,
  discountIneffectiveReboot,
  parseIneffectiveReboot,
  ineffectiveRebootAfter,
  ineffectiveRebootOf,
} from '../../../src/domain/node/reboot';
import { nodeFacts } from '../../support/builders';
import { defined } from '../../../src/domain/shared/defined';

const asks = nodeFacts({ reboot: { required: true, reasons: ['package libc6'], stamp: '100' } });

function requiring(reasons: string[], bootId: string, stamp?: string): NodeFacts {
  const reboot = { required: reasons.length > 0, reasons, ...defined({ stamp }) };
  return nodeFacts({ bootId, reboot });
}

describe('src/domain/node/reboot', () => {
  it('reboots only when required and allowed', () => {
    expect(decideReboot('w-1', nodeFacts(), true, 0)).toEqual({ do: 'finish', outcome: 'patched' });
    expect(decideReboot('w-1', asks, true, 0)).toEqual({ do: 'reboot' });
    expect(decideReboot('w-1', asks, false, 0)).toEqual({ do: 'finish', outcome: 'reboot-pending' });
  });

  it('never reboots a node of another reboot owner, and reports the patch as done', () => {
    const ignored = [{ name: 'kured', reason: 'Mondays only' }] as const;
    expect(decideReboot('w-1', { ...asks, rebootOwners: ['kured'] }, true, 0, ignored)).toEqual({ do: 'reboot' });
    expect(decideReboot('w-1', { ...asks, rebootOwners: ['kured'] }, true, 0)).toMatchObject({
      do: 'fail',
      error: { type: 'Policy', message: expect.stringContaining('rebooted by kured') },
    });
  });

  it('fails after two reboots with a new reason each time, naming the reason', () => {
    expect(decideReboot('w-1', asks, true, 2)).toMatchObject({
      do: 'fail',
      error: { type: 'RebootFailed', message: expect.stringContaining('libc6') },
    });
  });

  it('does not reboot into an empty initial RAM disk', () => {
    const file = { kind: 'initrd', state: 'damaged', bytes: 0, largestOther: 4e7, path: '/boot/initrd.img-9' } as const;
    const boot = { loader: 'grub', kernel: '9', pin: null, order: 'newest', files: [file] } as const;
    expect(decideReboot('w-1', { ...asks, boot: { ...boot, files: [file] } }, true, 0)).toMatchObject({
      do: 'fail',
      error: {
        type: 'Unhealthy',
        message: 'w-1 was not rebooted: initrd /boot/initrd.img-9 is empty',
        remedy: expect.stringContaining('update-initramfs -u -k 9'),
      },
    });
  });

  it('no longer counts a reason that survived a reboot, and reports this reason', () => {
    const before = requiring(['/run/reboot-required', 'kernel 2 is installed, 1 is running'], 'one', '1');
    const after = requiring(['/run/reboot-required', 'kernel 2 is installed, 1 is running'], 'two', '2');
    const facts = discountIneffectiveReboot(after, ineffectiveRebootAfter(before, after));
    expect(facts.reboot).toMatchObject({ required: false, reasons: [] });
    expect(facts.warnings).toEqual([
      expect.objectContaining({
        kind: 'reboot-ineffective',
        message: expect.stringContaining('kernel 2 is installed, 1 is running'),
      }),
    ]);
    expect(decideReboot('w-1', facts, true, 1)).toEqual({ do: 'finish', outcome: 'patched' });
    // The record also holds in later runs.
    const kept = parseIneffectiveReboot(JSON.parse(JSON.stringify(ineffectiveRebootOf(facts))));
    expect(discountIneffectiveReboot(after, kept).reboot.required).toBe(false);
    expect(discountIneffectiveReboot(after, kept).warnings).toHaveLength(1);
  });

  it('reboots for a reason that appeared with the first reboot', () => {
    const after = requiring(['kernel 3 is installed, 2 is running'], 'two');
    const facts = discountIneffectiveReboot(
      after,
      ineffectiveRebootAfter(requiring(['package linux-image'], 'one', '1'), after),
    );
    expect(decideReboot('w-1', facts, true, 1)).toEqual({ do: 'reboot' });
  });

  it.each([
    ['nothing has changed', requiring(['package a'], 'two', '5'), [], []],
    ['somebody has rebooted the node', requiring(['package a'], 'three', '5'), [], ['package a']],
    ['there is another reason', requiring(['package a', 'kernel 3'], 'two', '5'), [], ['kernel 3']],
    ['the file was written anew', requiring(['package a'], 'two', '6'), [], ['package a']],
    ['the package was changed again', requiring(['package a'], 'two', '5'), ['a'], ['package a']],
    ['another package was changed', requiring(['package a'], 'two', '5'), ['b'], []],
  ])('ignores an uncleared reason until a change: %s', (_, facts, changed, owed) => {
    const ineffective = { bootId: 'two', reasons: ['package a'], stamp: '5' };
    expect(discountIneffectiveReboot(facts, ineffective, changed).reboot.reasons).toEqual(owed);
  });
});
