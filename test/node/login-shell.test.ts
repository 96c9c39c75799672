import { loginShellError } from '../../src/node/login-shell';

const answer = (stdout: string, stderr = '', code = 1) => ({
  code,
  signal: null,
  stdout: Buffer.from(stdout),
  stderr: Buffer.from(stderr),
  truncated: false,
});

describe('src/node/login-shell', () => {
  it.each([
    [answer('This account is currently not available.\n'), 'its login shell is nologin'],
    [answer('', 'Password change required but no TTY available.\n'), 'its password has expired'],
  ])('recognises a login that runs no commands', (result, why) => {
    expect(loginShellError('w-1', 'ospatch', result)).toMatchObject({
      type: 'AuthFailed',
      message: `w-1 lets ospatch log in, but runs no commands for it: ${why}`,
    });
  });

  it('does not misread the output of a command', () => {
    expect(loginShellError('w-1', 'ospatch', answer('sudo: a password is required'))).toBeNull();
    expect(loginShellError('w-1', 'ospatch', answer('This account is currently not available', '', 0))).toBeNull();
  });
});
