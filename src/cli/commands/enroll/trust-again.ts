/** Tells the clusters in force the new host keys of rebuilt machines, and nothing else that their files may have changed. */
import type { Command } from 'commander';
import type { ClusterClient } from '../../../client/cluster-client';
import { isNode } from '../../../domain/cluster/member';
import { isOspatchError } from '../../../domain/shared/errors';
import type { NodeSpec, SelfManagedSpec } from '../../../domain/spec/types';
import { withClient } from '../../options/session';
import type { EnrolledMachine } from './machines';

/** Waiting for a server that is not there must not keep the user from the next step. */
const DEADLINE_MS = 15_000;

export interface TrustedAgain {
  cluster: string;
  result: 'updated' | 'unchanged' | 'not-applied' | 'failed';
  /** Nodes that were in quarantine. */
  released: string[];
  /** Why it failed. */
  why: string | null;
}

/** `specs`: of the files, with the new keys. Never throws for a server or a worker that does not answer. */
export async function trustAgain(
  command: Command,
  specs: readonly SelfManagedSpec[],
  machines: readonly EnrolledMachine[],
): Promise<TrustedAgain[]> {
  try {
    return await withClient(
      command,
      async (client) => {
        const results: TrustedAgain[] = [];
        for (const spec of specs)
          results.push(await tell(client, spec, machines).catch((error) => failed(spec, error)));
        return results;
      },
      DEADLINE_MS,
    );
  } catch (error) {
    return specs.map((spec) => failed(spec, error));
  }
}

function failed({ name: cluster }: SelfManagedSpec, error: unknown): TrustedAgain {
  if (!isOspatchError(error)) throw error;
  return { cluster, result: 'failed', released: [], why: error.message };
}

async function tell(
  client: ClusterClient,
  spec: SelfManagedSpec,
  machines: readonly EnrolledMachine[],
): Promise<TrustedAgain> {
  const { name: cluster } = spec;
  const inForce = await client.findSpec(cluster);
  if (inForce === null || inForce.type !== 'self-managed')
    return { cluster, result: 'not-applied', released: [], why: null };
  const next = withKeysOf(inForce, spec, machines);
  const changed = next.nodes.filter((node, index) => JSON.stringify(node) !== JSON.stringify(inForce.nodes[index]));
  if (changed.length === 0) return { cluster, result: 'unchanged', released: [], why: null };
  const shutOut = await quarantined(client, cluster);
  const names = machines.map(({ name }) => name).join(', ');
  await client.apply(next, { reason: `host keys replaced after a rebuild: ${names}`.slice(0, 200) });
  const released = changed.map(({ name }) => name).filter((name) => shutOut.includes(name));
  return { cluster, result: 'updated', released, why: null };
}

async function quarantined(client: ClusterClient, cluster: string): Promise<string[]> {
  const { nodes } = await client.status(cluster);
  return nodes.filter(isNode).flatMap(({ name, quarantine }) => (quarantine === undefined ? [] : [name]));
}

/** The spec in force with the keys that `spec` has for these machines. */
function withKeysOf(
  inForce: SelfManagedSpec,
  spec: SelfManagedSpec,
  machines: readonly EnrolledMachine[],
): SelfManagedSpec {
  const keys = new Map<string, readonly string[]>();
  for (const node of spec.nodes) {
    for (const hop of node.ssh.jump ?? []) keys.set(addressKey(hop.host, hop.port), hop.hostKeys);
    keys.set(addressKey(node.host, node.ssh.port), node.hostKeys);
  }
  const replaced = new Set(machines.map(({ host, port }) => addressKey(host, port)));
  const keysOf = (host: string, port: number, before: string[]): string[] => {
    const key = addressKey(host, port);
    return replaced.has(key) ? [...(keys.get(key) ?? before)] : before;
  };
  const nodes = inForce.nodes.map((node): NodeSpec => {
    const { jump } = node.ssh;
    const hops = jump?.map((hop) => ({ ...hop, hostKeys: keysOf(hop.host, hop.port, hop.hostKeys) }));
    return {
      ...node,
      ssh: hops === undefined ? node.ssh : { ...node.ssh, jump: hops },
      hostKeys: keysOf(node.host, node.ssh.port, node.hostKeys),
    };
  });
  return { ...inForce, nodes };
}

function addressKey(host: string, port: number): string {
  return JSON.stringify([host.toLowerCase(), port]);
}
