import type { FailedUnit } from '../../../src/domain/node/failed-units';
import { findBrokenUnits, mayRecover, unitWarnings } from '../../../src/domain/node/failed-units';
import { nodeFacts } from '../../support/builders';

const before = nodeFacts();

function failed(name: string, more: Partial<FailedUnit> = {}) {
  const unit = { name, triggeredBy: [], result: 'exit-code', changed: false, transient: false, ...more };
  return nodeFacts({ failedUnits: [name], failedUnitDetails: [unit] });
}

describe('src/domain/node/failed-units', () => {
  it.each([
    ['a service', failed('app.service')],
    ['a service that nothing more is known of', nodeFacts({ failedUnits: ['app.service'] })],
    [
      'a service of a timer that the transaction has changed',
      failed('a.service', { triggeredBy: ['a.timer'], changed: true }),
    ],
    ['the service of a socket', failed('ssh.service', { triggeredBy: ['ssh.socket'] })],
    ['a mount', failed('srv.mount')],
    ['a timer', failed('a.timer')],
  ])('fails the node: %s', (_, after) => {
    expect(findBrokenUnits('w-1', before, after)).toMatchObject({
      type: 'Unhealthy',
      message: `w-1 is degraded: ${after.failedUnits[0]} failed and had not failed before`,
    });
    expect(unitWarnings(before, after)).toEqual([]);
  });

  it.each([
    ['what a timer starts', failed('fwupd-refresh.service', { triggeredBy: ['fwupd-refresh.timer'] })],
    ['the manager of a user', failed('user@1000.service')],
    ['the manager of a user, after an update of systemd', failed('user@1000.service', { changed: true })],
    ['a directory of a user', failed('run-user-1000-doc.mount', { changed: true })],
    ['a dump of a crashed program', failed('systemd-coredump@7-81-0.service', { changed: true })],
    ['a connection', failed('sshd@3-10.0.0.1:22.service', { triggeredBy: ['sshd.socket'] })],
    ['a socket that somebody has flooded', failed('cups.socket', { result: 'trigger-limit-hit' })],
    ['a command of an administrator', failed('run-u12.service', { transient: true })],
  ])('is a warning: %s', (_, after) => {
    expect(findBrokenUnits('w-1', before, after)).toBeNull();
    expect(unitWarnings(before, after)).toMatchObject([
      { kind: 'units-failed', message: expect.stringContaining(after.failedUnits[0] ?? '') },
    ]);
    expect(mayRecover(before, after)).toBe(false);
  });

  it('reads a restarting unit again, and warns about that unit unless the update changed it', () => {
    const after = nodeFacts({ restartingUnits: ['app.service'] });
    expect(mayRecover(before, after)).toBe(true);
    expect(findBrokenUnits('w-1', before, after)).toBeNull();
    expect(unitWarnings(before, after)).toHaveLength(1);
    const changed = { ...after, failedUnitDetails: failed('app.service', { changed: true }).failedUnitDetails };
    expect(
      findBrokenUnits('w-1', before, nodeFacts({ ...after, failedUnitDetails: changed.failedUnitDetails ?? [] })),
    ).not.toBeNull();
  });

  it('fails only changed units when the state before the update is unknown', () => {
    const silent = nodeFacts({ unitsUnknown: true });
    const after = failed('app.service');
    expect(findBrokenUnits('w-1', silent, after)).toBeNull();
    expect(unitWarnings(silent, after)).toMatchObject([
      {
        kind: 'units-failed',
        message: expect.stringContaining('whether that was the case before the patch is unknown'),
      },
    ]);
    expect(findBrokenUnits('w-1', silent, failed('app.service', { changed: true }))).toMatchObject({
      type: 'Unhealthy',
      message: 'w-1 is degraded: app.service has failed, and what it runs was changed by the last package transaction',
    });
  });

  it('reads the units again when they were not listed after the update, and reports a second failure to list', () => {
    const silent = nodeFacts({ unitsUnknown: true });
    expect(mayRecover(before, silent)).toBe(true);
    expect(findBrokenUnits('w-1', before, silent)).toBeNull();
    expect(unitWarnings(before, silent)).toMatchObject([{ message: expect.stringContaining('is not known') }]);
  });

  it('ignores units that had failed before', () => {
    expect(findBrokenUnits('w-1', failed('a.service'), failed('a.service'))).toBeNull();
    expect(unitWarnings(nodeFacts({ restartingUnits: ['a.service'] }), failed('a.service'))).toEqual([]);
  });
});
