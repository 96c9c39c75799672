import { hostKeyProblems } from '../../../src/domain/trust/spec-host-keys';
import { clusterSpec, nodeSpec, randomHostKey } from '../../support/builders';

const KEY = randomHostKey();
const HOP = { host: 'bastion', port: 22, user: 'ospatch', identity: 'demo' };

function problems(hostKeys: string[], transport?: 'openssh', hopKeys?: string[]): string[] {
  const ssh = {
    ...nodeSpec('w-1').ssh,
    ...(transport === undefined ? {} : { transport }),
    ...(hopKeys === undefined ? {} : { jump: [{ ...HOP, hostKeys: hopKeys }] }),
  };
  return hostKeyProblems({ ...clusterSpec([]), nodes: [nodeSpec('w-1', { ssh, hostKeys })] });
}

describe('src/domain/trust/spec-host-keys', () => {
  test('a node with a host key is trusted, and one without is not', () => {
    expect(problems([KEY])).toEqual([]);
    expect(problems([])).toEqual([expect.stringMatching(/^nodes\[0\]\.hostKeys: missing: .*ospatch enroll/)]);
  });

  test('a jump host needs a key of its own', () => {
    expect(problems([KEY], undefined, [])).toEqual([
      expect.stringMatching(/^nodes\[0\]\.ssh\.jump\[0\]\.hostKeys: missing/),
    ]);
  });

  test('an authority counts where certificates can be verified', () => {
    const authority = `@cert-authority ${KEY}`;
    expect(problems([authority], 'openssh')).toEqual([]);
    expect(problems([authority])).toEqual([expect.stringContaining('only certificate authorities')]);
  });

  test('a revoked key does not count', () => {
    expect(problems([`@revoked ${KEY}`])).toEqual([expect.stringContaining('only revoked keys')]);
    expect(problems([KEY, `@revoked ${KEY}`])).toEqual([
      expect.stringMatching(/^nodes\[0\]\.hostKeys\[0\]: .*@revoked; remove it$/),
    ]);
  });
});
