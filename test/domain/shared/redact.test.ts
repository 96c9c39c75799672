import { redactSecrets } from '../../../src/domain/shared/redact';

describe('src/domain/shared/redact', () => {
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
  ])('redacts credentials in %j', (text, expected) => {
    expect(redactSecrets(text)).toBe(expected);
  });
});
