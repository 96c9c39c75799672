import { chmodSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PolicyFile } from '../../src/policy/policy-file';
import { RetryLater } from '../../src/retry/slot-release';

const OPEN = 'version: 1\nrules: []\n';

describe('policy/policy-file', () => {
  let dir: string;
  let file: string;
  const told: string[] = [];
  const listener = {
    loaded: ({ digest, policy }: { digest: string; policy: { rules: unknown[] } }) =>
      told.push(`loaded ${digest.length} ${policy.rules.length}`),
    unusable: (why: string) => told.push(`unusable ${why}`),
  };

  beforeEach(() => {
    // A temporary directory is not trusted: others may create files in it.
    dir = mkdtempSync(join(homedir(), '.ospatch-policy-test-'));
    file = join(dir, 'policy.yaml');
    told.length = 0;
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function write(text: string, name = 'policy.yaml'): void {
    writeFileSync(join(dir, `${name}.new`), text, { mode: 0o644 });
    renameSync(join(dir, `${name}.new`), join(dir, name));
  }

  function reason(policy: PolicyFile): string {
    try {
      policy.current();
    } catch (error) {
      if (error instanceof RetryLater) return error.waitingFor;
      throw error;
    }
    return 'in force';
  }

  it('is null without a path, and only then', () => {
    expect(new PolicyFile(null).current()).toBeNull();
    expect(reason(new PolicyFile(file))).toMatch(/policy\.yaml does not exist/);
    expect(reason(new PolicyFile(''))).not.toBe('in force');
  });

  it('is read again when the file has changed, and tells so once', () => {
    const policy = new PolicyFile(file, listener);
    write(OPEN);
    expect(policy.current()?.rules).toHaveLength(0);
    expect(policy.current()).toBe(policy.current());
    write('version: 1\nrules: [{name: a, clusters: ["*"]}]\n');
    expect(policy.current()?.rules).toHaveLength(1);
    policy.current();
    expect(told).toEqual(['loaded 12 0', 'loaded 12 1']);
  });

  it('never opens: requests wait while the file cannot be used', () => {
    const policy = new PolicyFile(file, listener);
    write(OPEN);
    expect(reason(policy)).toBe('in force');
    write('version: 1\nrules:\n  - name: a\n    clusters: prod\n');
    expect(reason(policy)).toMatch(/line 4: rules\[0\]\.clusters: found "prod"; allowed: a list/);
    expect(reason(policy)).toMatch(/line 4/);
    write('rules: [');
    expect(reason(policy)).toMatch(/not valid YAML/);
    write('');
    expect(reason(policy)).toMatch(/the file is empty/);
    write(`${OPEN}---\n${OPEN}`);
    expect(reason(policy)).toMatch(/several documents/);
    unlinkSync(file);
    expect(reason(policy)).toMatch(/does not exist/);
    write(OPEN);
    expect(reason(policy)).toBe('in force');
    expect(told.filter((one) => one.startsWith('unusable'))).toHaveLength(5);
    expect(told.at(-1)).toBe('loaded 12 0');
  });

  it.each([
    ['the file', () => chmodSync(file, 0o666)],
    ['its directory', () => chmodSync(dir, 0o777)],
  ])('is not used while others may write to %s', (_, open) => {
    const policy = new PolicyFile(file);
    write(OPEN);
    expect(reason(policy)).toBe('in force');
    open();
    expect(reason(policy)).toMatch(/can be changed by everybody/);
  });

  it('watches the files that the policy names', () => {
    const policy = new PolicyFile(file);
    write('version: 1\nknownHosts: known_hosts\nsigners: people\nrules: []\n');
    expect(reason(policy)).toMatch(/knownHosts: the file known_hosts beside the policy is not used: .* does not exist/);
    write('', 'known_hosts');
    write('', 'people');
    expect(policy.load()?.knownHosts?.entries.entries).toHaveLength(0);
    write('w1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVxRvMdY9qJ0dJ1lZ0Xq8m0s7lqj0o3o0hQ3o0mB1aC', 'known_hosts');
    expect(policy.load()?.knownHosts?.entries.entries).toHaveLength(1);
    write('alice ssh-ed25519 AAAA\n', 'people');
    expect(policy.load()?.signers?.text).toMatch(/^alice/);
    chmodSync(join(dir, 'people'), 0o666);
    expect(reason(policy)).toMatch(/people.* can be changed by everybody/);
  });
});
