import { cleanOutput, outputTail } from '../../src/node/sanitize';

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
    ['mail me@example.com', 'mail me@example.com'],
  ])('keeps credentials out of %j', (text, expected) => {
    expect(cleanOutput(text)).toBe(expected);
  });

  it('keeps the end of long output, from the start of a line, in bytes and not in characters', () => {
    expect(outputTail('one\ntwo\nthree', 9)).toBe('three');
    expect(Buffer.byteLength(outputTail('ä'.repeat(100), 51))).toBeLessThanOrEqual(51);
    expect(outputTail('short')).toBe('short');
  });
});
