/** Resolves host names that may lead only to some networks. The address that was judged is the one that is connected to. */
import { lookup } from 'node:dns/promises';
import { OspatchError } from '../domain/shared/errors';
import { isAddressIn } from '../domain/policy/addresses';
import { outsideBounds } from '../domain/policy/denied';
import { codeOf } from '../domain/shared/error-code';
import type { AddressBounds } from '../domain/trust/address-bounds';
import { unreachable } from './connect-errors';
import type { SshTarget } from './transport';

/** Tried one after the other; names of nodes have one or two. */
const MAX_ADDRESSES = 4;

/** The addresses of a host name; an address is its own. */
export type Resolve = (host: string) => Promise<string[]>;

export async function resolveHost(host: string): Promise<string[]> {
  return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
}

/**
 * The addresses of a target within its bounds, in the resolver's order. Never empty.
 *
 * @throws OspatchError `Denied` when it has none within them, `Unreachable` when it has none at all
 */
export async function addressesWithin(
  target: SshTarget,
  bounds: AddressBounds,
  resolve: Resolve = resolveHost,
): Promise<string[]> {
  let found: string[];
  try {
    found = await resolve(target.host);
  } catch (error) {
    throw unreachable(
      target,
      `the name cannot be resolved on the worker (${codeOf(error) ?? 'no reason given'})`,
      error,
    );
  }
  const allowed = found.filter((address) => isAddressIn(address, bounds.networks));
  if (allowed.length > 0) return allowed.slice(0, MAX_ADDRESSES);
  throw new OspatchError(outsideBounds(target.host, bounds, found.length > 0));
}
