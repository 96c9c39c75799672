/** What the policy of the worker sets in the target of an activity: host keys, and the networks of a name. */
import { createHmac } from 'node:crypto';
import { parseAddress } from '../domain/policy/addresses';
import type { Grant } from '../domain/policy/decide';
import type { KnowsHost } from '../domain/policy/explain';
import { OspatchError } from '../domain/shared/errors';
import { defined } from '../domain/shared/defined';
import { plainText } from '../domain/shared/text';
import type { NodeTarget } from '../domain/spec/types';
import type { Bounded } from '../domain/trust/address-bounds';
import { canonicalHost } from '../domain/trust/hosts';
import { knownHostsName, lookUpHostKeys } from '../domain/trust/known-hosts';
import type { HmacSha1, KnownHostKeys } from '../domain/trust/known-hosts';
import type { LoadedPolicy } from './read-policy';

type KnownHosts = LoadedPolicy['knownHosts'];

/** The input with its target changed: `target`, or the one at this place of `targets`. An input without one is returned. */
export function withTarget<T>(input: T, at: number, change: (target: NodeTarget) => NodeTarget): T {
  const { target, targets } = (input ?? {}) as { target?: unknown; targets?: unknown };
  if (isNodeTarget(target)) return { ...input, target: change(target) };
  if (!Array.isArray(targets)) return input;
  return { ...input, targets: targets.map((one: NodeTarget, index) => (index === at ? change(one) : one)) };
}

/** @throws OspatchError `Denied` when the worker knows no host key of the node or of a jump host */
export function boundTarget(target: NodeTarget, { rule, limits }: Grant, knownHosts: KnownHosts): NodeTarget {
  const { cluster, host, hostKeys } = target;
  const within = (path: string): Bounded => {
    const limit = limits.find((one) => one.path === path);
    return defined({ within: limit && { networks: limit.networks, rule, cluster, path } });
  };
  const keys = (name: string, port: number, ofMessage: readonly string[]): string[] =>
    knownHosts === null ? [...ofMessage] : trusted(knownHosts, cluster, name, port, ofMessage);
  const { jump, ...ssh } = target.ssh;
  const hops = jump?.map((hop, at) => ({
    ...hop,
    hostKeys: keys(hop.host, hop.port, hop.hostKeys),
    ...within(`ssh.jump[${at}]`),
  }));
  return {
    ...target,
    ssh: { ...ssh, ...within('host'), ...defined({ jump: hops }) },
    hostKeys: keys(host, ssh.port, hostKeys),
  };
}

const hmacSha1: HmacSha1 = (keyBase64, message) =>
  createHmac('sha1', Buffer.from(keyBase64, 'base64')).update(message).digest('base64');

/** The keys of the worker's file. Of the message only what it revokes counts, which can only take trust away. */
function trusted(
  { file, entries }: NonNullable<KnownHosts>,
  cluster: string,
  host: string,
  port: number,
  ofMessage: readonly string[],
): string[] {
  const { keys, authorities, revoked } = keysOfHost(entries, host, port);
  if (keys.length + authorities.length === 0)
    throw unknownHost(file, cluster, knownHostsName(host, port), revoked.length > 0);
  return [
    ...keys,
    ...authorities.map((key) => `@cert-authority ${key}`),
    ...revoked.map((key) => `@revoked ${key}`),
    ...ofMessage.filter((entry) => entry.startsWith('@revoked')),
  ];
}

/** The keys of a host in the worker's file. */
export function keysOfHost(entries: NonNullable<KnownHosts>['entries'], host: string, port: number): KnownHostKeys {
  // An IPv6 address has several forms, and a revoked key must be found under each.
  const names = [...new Set([host, canonicalHost(host), ...usualForms(host)])];
  const found = names.map((name) => lookUpHostKeys(entries, name, port, hmacSha1));
  const revoked = new Set(found.flatMap((one) => one.revoked));
  const left = (keys: string[]): string[] => [...new Set(keys)].filter((key) => !revoked.has(key));
  const keys = left(found.flatMap((one) => one.keys));
  return { keys, authorities: left(found.flatMap((one) => one.authorities)), revoked: [...revoked] };
}

/** Whether the worker has a host key of a machine; null: its host keys are those of the spec. */
export function knowsHost({ knownHosts }: { knownHosts: KnownHosts }): KnowsHost {
  if (knownHosts === null) return null;
  return (host, port) => {
    const { keys, authorities } = keysOfHost(knownHosts.entries, host, port);
    return keys.length + authorities.length > 0;
  };
}

/** The usual short form of an IPv6 address; of an IPv4 address in IPv6 notation that of IPv4. */
function usualForms(host: string): string[] {
  const address = parseAddress(host);
  if (address === null || !host.includes(':')) return [];
  const ipv4 = [24n, 16n, 8n, 0n].map((shift) => (address.bits >> shift) & 255n).join('.');
  return [address.family === 4 ? ipv4 : new URL(`http://[${host}]`).hostname.slice(1, -1)];
}

function unknownHost(file: string, cluster: string, name: string, isRevoked: boolean): OspatchError {
  const why = isRevoked ? 'has only revoked host keys of' : 'has no host key of';
  return new OspatchError({
    type: 'Denied',
    message: `the policy of the worker denies a connection for the cluster ${plainText(cluster, 100)}: its known_hosts file ${why} ${plainText(name, 200)}, and the host keys of a spec do not count`,
    remedy: `ask the owner of the worker to add the host key of ${plainText(name, 200)} to ${file} (knownHosts)`,
    details: { cluster: plainText(cluster, 100), rule: null, missing: [{ field: 'knownHosts', path: 'hostKeys' }] },
  });
}

function isNodeTarget(value: unknown): value is NodeTarget {
  return typeof value === 'object' && value !== null && 'ssh' in value && 'host' in value;
}
