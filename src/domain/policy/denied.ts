/** The error of a denied request: which rule, which field, and what to ask the worker's owner for. */
import type { ErrorInfo } from '../shared/errors';
import { plural } from '../shared/plural';
import { plainText } from '../shared/text';
import type { Denial, Missing } from './decide';
import type { PolicyRequest } from './request';
import type { AddressBounds } from '../trust/address-bounds';

const MAX_SHOWN = 4;
const MAX_VALUE_CHARS = 100;

export function deniedInfo({ cluster }: Pick<PolicyRequest, 'cluster'>, { rule, rules, missing }: Denial): ErrorInfo {
  const name = plainText(cluster, MAX_VALUE_CHARS);
  const details = {
    cluster: name,
    rule,
    missing: missing.slice(0, MAX_SHOWN).map(({ field, path }) => ({ field, path })),
  };
  if (rule === null) {
    return {
      type: 'Denied',
      message: `the policy of the worker has no rule for the cluster ${name}`,
      remedy: `ask the owner of the worker to add ${name} to the clusters of a rule`,
      details,
    };
  }
  const shown = missing.slice(0, MAX_SHOWN).map(describeMissing);
  const more = missing.length - shown.length;
  const what = [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ');
  const none = rules === 1 ? `its rule ${rule} does` : `the nearest of its ${plural(rules, 'rule')}, ${rule}, does`;
  return {
    type: 'Denied',
    message: `the policy of the worker denies a request for the cluster ${name}: ${none} not allow ${what}`,
    remedy: `ask the owner of the worker to allow it in the rule ${rule} (${fieldsOf(missing)}), or change the spec`,
    details,
  };
}

function describeMissing({ field, path, value }: Missing): string {
  return `${path} ${plainText(value, MAX_VALUE_CHARS)} (${field})`;
}

function fieldsOf(missing: readonly Missing[]): string {
  return [...new Set(missing.map(({ field }) => field))].join(', ');
}

/**
 * A name that leads outside of what a rule allows. Neither the addresses nor the networks are named: whoever may ask a worker
 * must not be able to ask its DNS for any name.
 */
export function outsideBounds(host: string, { cluster, rule, path }: AddressBounds, isKnown: boolean): ErrorInfo {
  const found = isKnown
    ? 'leads to an address outside of the networks'
    : 'does not resolve on the worker to an address in the networks';
  return {
    type: 'Denied',
    message: `the policy of the worker denies a request for the cluster ${plainText(cluster, MAX_VALUE_CHARS)}: ${path} ${plainText(host, MAX_VALUE_CHARS)} ${found} of its rule ${rule}`,
    remedy: `correct the name in DNS, or ask the owner of the worker to allow the name or its address in the rule ${rule} (hosts)`,
    details: { cluster: plainText(cluster, MAX_VALUE_CHARS), rule, missing: [{ field: 'hosts', path }] },
  };
}
