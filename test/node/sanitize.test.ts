import { cleanOutput, outputTail, redactSecrets, wholeLines } from '../../src/node/sanitize';

describe('src/node/sanitize', () => {
  it('removes what a terminal could take as a command and keeps lines and tabs', () => {
    expect(cleanOutput('a\u001b[31mred\u001b[0m\tb\u0007\u0000\nc\r\nd\u202e\u009b2J')).toBe('ared\tb\nc\nd2J');
  });

  it.each([
    ['http://user:pw@host/x http://plain/y', 'http://[redacted]@host/x http://plain/y'],
    ['https://p@ss:w@rd@host', 'https://[redacted]@host'],
    ['Authorization: Bearer abc.def', 'Authorization: [redacted]'],
    ['proxy-authorization: Basic Zm9v', 'proxy-authorization: [redacted]'],
    ['a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nz', 'a\n[redacted]\nz'],
    ['-----BEGIN RSA PRIVATE KEY-----\ncut off', '[redacted]'],
    ['QyNTUx\nAAAA==\n-----END OPENSSH PRIVATE KEY-----\nz', '[redacted]\n-----END OPENSSH PRIVATE KEY-----\nz'],
    ['"authorization": "Bearer abc.def"', '"authorization": [redacted]'],
    ['curl: sent Bearer eyJhbGciOi.J9 twice', 'curl: sent Bearer [redacted] twice'],
    ['https://host/x?token=abc123&part=2', 'https://host/x?token=[redacted]&part=2'],
    ['X-Amz-Signature=0a1b2c', 'X-Amz-Signature=[redacted]'],
    ['machine m login me password: hunter2 port 1', 'machine m login me password: [redacted] port 1'],
    ['{"db_password": "two words", "n": 1}', '{"db_password": [redacted], "n": 1}'],
    ['MY_API_KEY=k', 'MY_API_KEY=[redacted]'],
    ['mail me@example.com', 'mail me@example.com'],
    ['Setting up passwd (1:4.13+dfsg1-1)', 'Setting up passwd (1:4.13+dfsg1-1)'],
    ['Upgrade: libsecret:amd64 (1, 2), passwd:amd64 (1, 2)', 'Upgrade: libsecret:amd64 (1, 2), passwd:amd64 (1, 2)'],
  ])('keeps credentials out of %j', (text, expected) => {
    expect(cleanOutput(text)).toBe(expected);
  });

  it('costs about as much as the text is long, whatever is in it', () => {
    const size = 1_000_000;
    for (const piece of [
      'a.',
      'a-',
      'x://',
      '-----BEGIN ',
      'token=',
      'password"',
      '\u001b[',
      'AAAA\n',
      '-----END ',
      '@',
    ])
      redactSecrets(cleanOutput(piece.repeat(size / piece.length)));
  });

  it('drops a line whose beginning was cut off, because nobody can tell what in it is secret', () => {
    expect(wholeLines('er:pw@host/x\nnext\n')).toBe('next\n');
    expect(wholeLines('one line without end')).toBe('');
  });

  it('keeps the end of long output, from the start of a line, in bytes and not in characters', () => {
    expect(outputTail('one\ntwo\nthree', 9)).toBe('three');
    expect(Buffer.byteLength(outputTail('ä'.repeat(100), 51))).toBeLessThanOrEqual(51);
    expect(outputTail('short')).toBe('short');
  });
});
