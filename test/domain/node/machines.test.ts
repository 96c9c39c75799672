import {
  KnownMachines,
  addressOf,
  machinesOf,
  sharedMachines,
  sharedMachineWarnings,
} from '../../../src/domain/node/machines';
import type { Machine } from '../../../src/domain/node/machines';
import { newNodeStatus } from '../../../src/domain/node/status';
import { clusterSpec, nodeSpec } from '../../support/builders';

function machine(cluster: string, node: string, more: Partial<Machine> = {}): Machine {
  return {
    cluster,
    node,
    address: `${cluster}-${node}`,
    hostKeys: [`ssh-ed25519 ${cluster}${node}`],
    machineId: null,
    ...more,
  };
}

const messages = (own: readonly Machine[], others: readonly Machine[]): string[] =>
  sharedMachines(own, new KnownMachines(others)).map(({ message }) => message);

describe('src/domain/node/machines', () => {
  it('names the other cluster of a machine with the same address', () => {
    const own = [machine('prod', 'w-1', { address: 'a' }), machine('prod', 'w-2')];
    expect(messages(own, [machine('old', 'db', { address: 'a' }), machine('old', 'x')])).toEqual([
      'w-1 and node db of cluster old have the same address, so both patch and reboot one machine, each in its own windows',
    ]);
  });

  it.each([
    ['host key', { hostKeys: ['ssh-ed25519 AAAA root@w-1'] }, { hostKeys: ['ssh-ed25519 AAAA'] }],
    ['machine id', { machineId: 'abc' }, { machineId: 'abc' }],
  ])('reports a possible clone by the same %s', (what, one, other) => {
    expect(messages([machine('prod', 'w-1', one)], [machine('old', 'db', other)])).toEqual([
      `w-1 and node db of cluster old have the same ${what}: they are one machine under two names, or one is a copy of the other's disk`,
    ]);
    expect(messages([machine('prod', 'w-1', one), machine('prod', 'w-2', other)], [])).toHaveLength(2);
  });

  it('warns each node of its own clone, also within one cluster', () => {
    const own = [
      machine('prod', 'w-1', { address: 'a' }),
      machine('prod', 'w-2'),
      machine('prod', 'w-3', { address: 'a' }),
    ];
    const warnings = sharedMachineWarnings(own, new KnownMachines());
    expect([...warnings.keys()]).toEqual(['w-1', 'w-3']);
    expect(warnings.get('w-3')).toMatchObject({
      kind: 'shared-machine',
      message: expect.stringContaining('w-3 and node w-1 have the same address') as string,
    });
  });

  it('does not take what is applied of the cluster itself for another machine', () => {
    const applied = [machine('prod', 'old-name', { address: 'a' }), machine('edge', 'e-1', { address: 'a' })];
    expect(messages([machine('prod', 'w-1', { address: 'a' })], applied)).toEqual([
      expect.stringContaining('node e-1 of cluster edge'),
    ]);
    expect(messages([machine('prod', 'w-1', { address: 'a' })], applied.slice(0, 1))).toEqual([]);
  });

  it('distinguishes machines with nothing in common', () => {
    expect(messages([machine('prod', 'w-1')], [machine('old', 'w-1')])).toEqual([]);
  });

  it('distinguishes the same private address behind another jump host or at another site', () => {
    const node = nodeSpec('w-1');
    expect(addressOf(node)).toBe(addressOf(nodeSpec('w-2', { host: node.host.toUpperCase() })));
    expect(addressOf(node, 'site-a')).not.toBe(addressOf(node, 'site-b'));
    expect(addressOf({ ...node, taskQueue: 'site-b' }, 'site-a')).toBe(addressOf(node, 'site-b'));
    const jump = [{ host: 'bastion', port: 22, hostKeys: [] }] as unknown as NonNullable<typeof node.ssh.jump>;
    expect(addressOf({ ...node, ssh: { ...node.ssh, jump } })).not.toBe(addressOf(node));
  });

  it('reads the machine ids from the status of the cluster', () => {
    const statuses = [{ ...newNodeStatus('w-1', 'worker', 'done'), machineId: 'abc' }];
    const [first, second] = machinesOf(clusterSpec(['w-1', 'w-2']), statuses);
    expect([first?.machineId, second?.machineId]).toEqual(['abc', null]);
  });
});
