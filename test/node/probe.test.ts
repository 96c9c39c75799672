import { parseProbe } from '../../src/node/probe';
import { startFailure, startRefused } from '../../src/node/start-failure';

describe('src/node/probe', () => {
  it('reads boot id, state, result of the reboot command, and why no job can be started', () => {
    expect(
      parseProbe(
        'boot_id=b\nsystem_state=degraded\nreboot_rc=1\nreboot_said=Call to Reboot failed: Access denied\nreboot_way=none\nreboot_why=a\nreboot_why=b\nstart_error=why=no-inodes at=/run\nstart_reason=No space left on device\nend\n',
      ),
    ).toEqual({
      bootId: 'b',
      systemState: 'degraded',
      reboot: { rc: 1, said: 'Call to Reboot failed: Access denied', way: 'none', why: 'a; b' },
      startError: { kind: 'no-inodes', place: '/run', said: 'No space left on device' },
    });
  });

  it('reads missing fields as unknown, and a truncated answer as none', () => {
    expect(parseProbe('boot_id=b\nend\n')).toEqual({
      bootId: 'b',
      systemState: 'unknown',
      reboot: null,
      startError: null,
    });
    expect(parseProbe('boot_id=b\n')).toBeNull();
  });
});

describe('src/node/start-failure', () => {
  it.each([
    [
      'no-inodes',
      'DiskFull',
      'no job can be started on w-1: the file system /run has no free inodes, although it has free space',
    ],
    ['disk-full', 'DiskFull', 'no job can be started on w-1: the file system /run is full'],
    ['read-only', 'Unhealthy', 'no job can be started on w-1: the file system /run is read-only'],
    ['not-writable', 'Unhealthy', 'no job can be started on w-1: /run cannot be written (Operation not permitted)'],
    ['start-failed', 'Unhealthy', 'no job can be started on w-1: systemd could not run it (Operation not permitted)'],
    ['no-answer', 'Unhealthy', 'no job can be started on w-1: systemd does not answer'],
  ] as const)('tells %s in one sentence', (why, type, message) => {
    const failure = startFailure(why, '/run', 'Operation not permitted');
    expect(failure === null ? null : startRefused('w-1', failure).toInfo()).toMatchObject({ type, message });
  });

  it('ignores output about something else', () => {
    expect(startFailure('bad-verb', '', '')).toBeNull();
  });
});
