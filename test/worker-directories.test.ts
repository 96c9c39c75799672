import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrivateDirectory, defaultDirectory } from '../src/worker-directories';
import { isLoopback } from '../src/domain/shared/loopback';
import { loggedPolicy, policyPathFromEnv, warnOfPlainText } from '../src/worker-policy';

describe('src/worker-directories', () => {
  it('are of the worker, never those of a person', () => {
    expect(defaultDirectory('keys', {}, true)).toBe('/etc/ospatch/keys');
    expect(defaultDirectory('keys', {}, false)).toBe(join(homedir(), '.config/ospatch/keys'));
    expect(defaultDirectory('kubeconfigs', { XDG_CONFIG_HOME: '/conf' }, false)).toBe('/conf/ospatch/kubeconfigs');
    expect(defaultDirectory('keys', { XDG_CONFIG_HOME: 'relative' }, false)).toBe(
      join(homedir(), '.config/ospatch/keys'),
    );
  });

  it('are created for their owner alone', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ospatch-directories-'));
    try {
      expect(createPrivateDirectory(join(dir, 'ospatch/keys'))).toBeNull();
      expect(createPrivateDirectory(join(dir, 'ospatch/keys'))).toBeNull();
      for (const made of ['ospatch', 'ospatch/keys']) expect(statSync(join(dir, made)).mode & 0o777).toBe(0o700);
      expect(createPrivateDirectory('/proc/ospatch/keys')).toMatch(/ENOENT|EPERM|EACCES/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('src/worker-policy', () => {
  const lines: string[] = [];
  const log = {
    info: (fields: object, message: string) => void lines.push(`info ${message} ${JSON.stringify(fields)}`),
    warn: (fields: object, message: string) => void lines.push(`warn ${message} ${JSON.stringify(fields)}`),
  };
  beforeEach(() => {
    lines.length = 0;
  });

  it('warns of a worker without a policy, and of one that cannot be used', () => {
    loggedPolicy(null, log);
    loggedPolicy('/no/such/policy.yaml', log);
    expect(lines).toEqual([
      expect.stringMatching(/^warn this worker has no policy \(OSPATCH_POLICY\): whoever may write/),
      expect.stringMatching(/^warn the policy cannot be used; all requests wait until it can .*does not exist/),
    ]);
  });

  it('takes an empty variable for a mistake, not for no policy', () => {
    expect(policyPathFromEnv({})).toBeNull();
    expect(policyPathFromEnv({ OSPATCH_POLICY: '/etc/ospatch/policy.yaml' })).toBe('/etc/ospatch/policy.yaml');
    expect(() => policyPathFromEnv({ OSPATCH_POLICY: '' })).toThrow(/OSPATCH_POLICY is empty/);
  });

  it('warns of requests that travel in plain text, except within the machine', () => {
    warnOfPlainText({ address: 'temporal.example:7233' }, log);
    expect(lines).toEqual([expect.stringMatching(/^warn the connection to Temporal has no TLS/)]);
    lines.length = 0;
    for (const options of [
      {},
      { address: '127.0.0.1:7233' },
      { address: '[::1]:7233' },
      { address: 'temporal.example:7233', tls: true },
      { address: 'temporal.example:7233', tls: {} },
      { address: 'temporal.example:7233', apiKey: 'x' },
    ])
      warnOfPlainText(options, log);
    expect(lines).toEqual([]);
    for (const address of ['localhost.example:7233', '127.0.0.1.example:7233', '10.0.0.1:7233'])
      expect(isLoopback(address)).toBe(false);
  });
});
