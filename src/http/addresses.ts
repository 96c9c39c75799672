/** Finds the addresses of a server. The address that was judged by the policy is the one that is connected to. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import { isAddressIn } from '../domain/policy/addresses';
import { codeOf } from '../domain/shared/error-code';
import type { AddressBounds } from '../domain/trust/address-bounds';
import { HttpFailure } from './failure';

/** The addresses of a host name. */
export type ResolveName = (host: string) => Promise<LookupAddress[]>;

export const resolveName: ResolveName = (host) => lookup(host, { all: true, verbatim: true });

/** `server`: for messages. `host`: a name, or an address without brackets. Never empty. */
export async function addressesOf(
  server: string,
  host: string,
  within: AddressBounds | undefined,
  resolve: ResolveName,
): Promise<LookupAddress[]> {
  const family = isIP(host);
  const found = family === 0 ? await resolved(server, host, resolve) : [{ address: host, family }];
  if (within === undefined) return found;
  const allowed = found.filter(({ address }) => isAddressIn(address, within.networks));
  if (allowed.length > 0) return allowed;
  // The address is not named: whoever may ask a worker must not be able to ask its DNS for any name.
  throw new HttpFailure(
    'denied',
    `the policy of the worker does not allow a call to ${server} for the cluster ${within.cluster}: the name leads to an address outside of the networks of the rule ${within.rule}`,
    `correct the name in DNS, or ask the owner of the worker to allow ${host} in the rule ${within.rule}`,
  );
}

async function resolved(server: string, host: string, resolve: ResolveName): Promise<LookupAddress[]> {
  const problem = (why: string): HttpFailure =>
    new HttpFailure('name', `${server} cannot be called: the name cannot be resolved on the worker (${why})`);
  let found: LookupAddress[];
  try {
    found = await resolve(host);
  } catch (error) {
    throw problem(codeOf(error) ?? 'no reason given');
  }
  if (found.length === 0) throw problem('it has no address');
  return found;
}

/** The lookup of a connection that knows the addresses already. */
export function fixedLookup([first, ...others]: LookupAddress[]): LookupFunction {
  return (_host, { all }, callback) => {
    // In the next turn, as a real lookup answers.
    setImmediate(() => {
      if (first === undefined) callback(new Error('no address'), '');
      else if (all === true) callback(null, [first, ...others]);
      else callback(null, first.address, first.family);
    });
  };
}
