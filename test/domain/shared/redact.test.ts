import { redactSecrets } from '../../../src/domain/shared/redact';

/** Put together here, so that scanners of repositories do not find them. */
const fake = (...parts: string[]): string => parts.join('');
const SECRET = 'hunter2-Zm9v';

describe('src/domain/shared/redact', () => {
  it.each([
    ['http://user:pw@host/x http://plain/y', 'http://[redacted]@host/x http://plain/y'],
    ['https://p@ss:w@rd@host', 'https://[redacted]@host'],
    ['https://user:pa/ss@mirror.example/x', 'https://[redacted]@mirror.example/x'],
    ['https://user:p@s/w?o#rd@mirror.example/x', 'https://[redacted]@mirror.example/x'],
    ['Authorization: Bearer abc.def', 'Authorization: [redacted]'],
    ['proxy-authorization: Basic Zm9v', 'proxy-authorization: [redacted]'],
    ['a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nz', 'a\n[redacted]\nz'],
    ['-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n-----END PGP PRIVATE KEY BLOCK-----', '[redacted]'],
    ['"key": "-----BEGIN EC PRIVATE KEY-----\\nMHc\\n-----END EC PRIVATE KEY-----"', '"key": "[redacted]"'],
    ['-----BEGIN RSA PRIVATE KEY-----\ncut off', '[redacted]'],
    ['QyNTUx\nAAAA==\n-----END OPENSSH PRIVATE KEY-----\nz', '[redacted]\n-----END OPENSSH PRIVATE KEY-----\nz'],
    ['"authorization": "Bearer abc.def"', '"authorization": [redacted]'],
    ['curl: sent Bearer eyJhbGciOi.J9 twice', 'curl: sent Bearer [redacted] twice'],
    ['https://host/x?token=abc123&part=2', 'https://host/x?token=[redacted]&part=2'],
    ['X-Amz-Signature=0a1b2c', 'X-Amz-Signature=[redacted]'],
    ['machine m login me password: hunter2 port 1', 'machine m login me password: [redacted] port 1'],
    ['{"db_password": "two words", "n": 1}', '{"db_password": [redacted], "n": 1}'],
    ['MY_API_KEY=k', 'MY_API_KEY=[redacted]'],
  ])('redacts credentials in %j', (text, expected) => {
    expect(redactSecrets(text)).toBe(expected);
  });

  it.each([
    `curl --password ${SECRET} https://mirror.example`,
    `tool --db-password ${SECRET} --verbose`,
    `tool --proxy-user me:${SECRET} -v`,
    `subscription-manager register --activationkey ${SECRET} --org 7`,
    `--token=${SECRET}`,
    `Cookie: session=${SECRET}; theme=dark`,
    `< set-cookie: sid=${SECRET}; Path=/`,
    `private_key=${SECRET}`,
    `aws_secret_access_key = ${SECRET}`,
    `client_secret_value: ${SECRET}`,
    `machine esm.ubuntu.com/apps/ubuntu/ login bearer password ${SECRET}  # ubuntu-pro-client`,
    `machine mirror.example\n  login me\n  password ${SECRET}`,
    `machine mirror.example password ${SECRET} login me`,
    `pro attach ${SECRET}`,
    `proxy=http://proxy.example:3128\nproxy_password=${SECRET}`,
    `Acquire::http::Proxy "http://me:${SECRET}/@proxy.example:3128";`,
    `//npm.example/:_auth=${SECRET}`,
    `sshpass -p ${SECRET} ssh root@w-1`,
    `openssl rsa -passin pass:${SECRET} -in k`,
    `Macaroon root="x", discharge="${SECRET}"`,
  ])('leaves no secret in %j', (text) => {
    const clean = redactSecrets(text);
    expect(clean).toContain('[redacted]');
    expect(clean).not.toContain(SECRET);
  });

  it.each([
    fake('gh', 'p_', 'a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8'),
    fake('github_', 'pat_', '11ABCDEFG0123456789_abcdefghijklmnop'),
    fake('gl', 'pat-', 'a1B2c3D4e5F6g7H8i9J0'),
    fake('AK', 'IA', 'IOSFODNN7EXAMPLE'),
    fake('xo', 'xb-', '123456789012-abcdefABCDEF'),
    fake('np', 'm_', 'a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8'),
    fake('hv', 's.', 'CAESIJa1B2c3D4e5F6g7H8i9J0'),
    fake('ey', 'JhbGciOiJIUzI1NiJ9.', 'eyJzdWIiOiIxMjM0In0.', 'dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P'),
  ])('recognises the token %s by its form', (token) => {
    expect(redactSecrets(`remote: ${token} was refused`)).toBe('remote: [redacted] was refused');
  });

  /** Lines of package managers and of ourselves in which nothing is secret. */
  it.each([
    'mail me@example.com',
    'Setting up passwd (1:4.13+dfsg1-1)',
    'Upgrade: libsecret:amd64 (1, 2), passwd:amd64 (1, 2)',
    'apt-get install passwd=1:4.13+dfsg1-1+b1 libpam-token=2.4.1-3ubuntu1',
    'Get:1 http://mirror.example/debian bookworm/main amd64 node-cookie all 0.5.0-1 [8,192 B]',
    'node-cookie:all (0.5.0-1, 0.6.0-1), python3-secretstorage:all (3.3.3-1, 3.3.3-2)',
    'sudo: a password is required',
    'the option --password is required, and --token-file names a file',
    'Basic packages and bearer support are installed; basic functionality',
    'https://registry.example:5000/img@sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
    'https://mirror.example:8080/debian/pool/main/p/passwd_4.13@1.deb',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----',
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHb0y1 w-1',
    'Upgrading        : passwd-0.80-10.el8_10.x86_64   3/12',
    'linux-image-6.1.0-28-cloud-amd64:amd64 (6.1.119-1), boot id 8f6e3c1a-9d8f-4a51-9a3b-1d0f2f9b7c11',
    'gpg: key 0E98404D386FA1D9: public key "Debian Archive Automatic Signing Key (11/bullseye)"',
    'cookie-parser, libcookie: no such package',
    'ospatch apply -f prod.yaml --wait',
  ])('leaves %j as it is', (text) => {
    expect(redactSecrets(text)).toBe(text);
  });

  it('takes linear time for hostile text', () => {
    const hostile = [
      '://a:b',
      '://',
      'machine a login b ',
      '--token',
      'eyJaaaaaaaaaa',
      'basic a',
      'Cookie: a',
      'pro attach',
    ];
    const started = performance.now();
    for (const one of hostile) redactSecrets(one.repeat(Math.ceil(64_000 / one.length)));
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});
