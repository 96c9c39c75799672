import { redactSecrets } from '../../src/domain/shared/redact';
import { cleanOutput, outputTail, wholeLines } from '../../src/node/sanitize';

describe('src/node/sanitize', () => {
  it('removes terminal control sequences and keeps lines and tabs', () => {
    expect(cleanOutput('a\u001b[31mred\u001b[0m\tb\u0007\u0000\nc\r\nd\u202e\u009b2J')).toBe('ared\tb\nc\nd2J');
  });

  it('removes credentials from output', () => {
    expect(cleanOutput('GET http://user:pw@host/x\r\n')).toBe('GET http://[redacted]@host/x\n');
  });

  it('takes linear time for any text', () => {
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

  it('drops a line with a truncated beginning, which may contain an unrecognisable secret', () => {
    expect(wholeLines('er:pw@host/x\nnext\n')).toBe('next\n');
    expect(wholeLines('one line without end')).toBe('');
  });

  it('keeps the end of long output, from the start of a line, in bytes and not in characters', () => {
    expect(outputTail('one\ntwo\nthree', 9)).toBe('three');
    expect(Buffer.byteLength(outputTail('ä'.repeat(100), 51))).toBeLessThanOrEqual(51);
    expect(outputTail('short')).toBe('short');
  });
});
