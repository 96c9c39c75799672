import { MAX_NODES } from '../../../src/domain/spec/types';
import { maxSpecBytes, specTooLarge } from '../../../src/domain/spec/size';
import { storedBytes } from '../../../src/encryption/compression';
import { clusterSpec, randomHostKey } from '../../support/builders';

function specOf(nodes: number, hostKeys: () => string[]): ReturnType<typeof clusterSpec> {
  const spec = clusterSpec(Array.from({ length: nodes }, (_, at) => `w-${at}`));
  return { ...spec, nodes: spec.nodes.map((node) => ({ ...node, hostKeys: hostKeys() })) };
}

const ED25519 = (): string => randomHostKey('ssh-ed25519', 32);
const ECDSA = (): string => randomHostKey('ecdsa-sha2-nistp256', 65);
const RSA = (): string => randomHostKey('ssh-rsa', 385);

describe('src/domain/spec/size', () => {
  it.each([
    [MAX_NODES, 'one host key each', () => [ED25519()]],
    [MAX_NODES, 'three host keys each', () => [ED25519(), ECDSA(), ED25519()]],
    [2_500, 'three host keys each, one of them RSA', () => [ED25519(), ECDSA(), RSA()]],
  ])('accepts %i nodes with %s', (nodes, _, hostKeys) => {
    const spec = specOf(nodes, hostKeys);
    expect(specTooLarge(spec, storedBytes(spec))).toBeNull();
  });

  it('rejects a spec that would not fit into Temporal together with the state, with the sizes', () => {
    const spec = specOf(3_500, () => [ED25519(), ECDSA(), RSA()]);
    const bytes = storedBytes(spec);
    expect(specTooLarge(spec, bytes)).toMatch(
      new RegExp(
        `^the spec takes ${bytes} bytes .*, at most ${maxSpecBytes(3_500)} are allowed for 3500 nodes; keep one`,
      ),
    );
    expect(
      specTooLarge(
        specOf(MAX_NODES + 1, () => []),
        0,
      ),
    ).toBe(`5001 nodes; at most ${MAX_NODES} are allowed`);
  });
});
