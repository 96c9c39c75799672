import { describeExposed, exposedPlace, exposedRemedy, withDirectories } from '../../src/node/exposed';
import { startFailure, startRefused } from '../../src/node/start-failure';

describe('src/node/exposed', () => {
  it('names every directory above a path', () => {
    expect(withDirectories('/usr/local/libexec')).toEqual(['/usr/local/libexec', '/usr/local', '/usr', '/']);
  });

  it.each([
    ['0 drwxrwsr-x root:staff /usr/local', '/usr/local (root:staff drwxrwsr-x)', 'etc/staff-group-for-usr-local'],
    ['0 drwxrwxrwt root:root /', '/ (root:root drwxrwxrwt)', 'chown root:root / && chmod go-w /'],
    ['1000 -rwxr-xr-x op:op /usr/local/libexec/ospatch-node-0123456789ab', '(op:op -rwxr-xr-x)', 'then remove it'],
    ['0 lrwxrwxrwx root:root /usr/local', '/usr/local is a symbolic link', 'replace /usr/local on w-1'],
  ])('says what is wrong with %s and how to correct it', (line, what, remedy) => {
    const exposed = exposedPlace(line);
    if (exposed === null) throw new Error('not read');
    expect(describeExposed(exposed)).toContain(what);
    expect(exposedRemedy('w-1', exposed)).toContain(remedy);
  });

  it('is what a helper answers about itself, too', () => {
    const failure = startFailure('exposed', '/var/lib/ospatch', 'op:op drwxr-xr-x');
    expect(failure === null ? null : startRefused('w-1', failure).toInfo()).toEqual({
      type: 'HelperMissing',
      message: 'no job can be started on w-1: users other than root can change /var/lib/ospatch (op:op drwxr-xr-x)',
      remedy: 'see on w-1 who made /var/lib/ospatch and what it holds, then remove it; ospatch makes it again',
    });
  });

  it('is told apart from a limit of the login, which ends what it starts', () => {
    const said = "root's session has a limit that cannot be raised: ulimit -t 9";
    const failure = startFailure('start-failed', '', said);
    expect(failure === null ? null : startRefused('w-1', failure).toInfo()).toMatchObject({
      message: `no job can be started on w-1: ${said}`,
      remedy: expect.stringContaining('limits.conf'),
    });
  });

  it.each(['', 'drwx', '0 drwxr-xr-x root /usr'])('reads nothing in %j', (text) => {
    expect(exposedPlace(text)).toBeNull();
  });
});
