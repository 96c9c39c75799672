/** The signature of a request, as it travels in a message. */
import { isInstant } from './message-values';

/** Namespace of the signatures, as `ssh-keygen -n` takes it: a signature made for another purpose is none of a request. */
export const SIGNATURE_NAMESPACE = 'ospatch@ospatch.github.io';

/** Characters of a signature; one of an RSA key of 16,384 bits, with a certificate, has about 10,000. */
const MAX_SIGNATURE = 16_384;

export interface RequestSignature {
  /** When it was signed, ISO 8601 with zone. */
  time: string;
  /** As `ssh-keygen -Y sign` prints it. */
  value: string;
}

export const SIGNATURE_FORMAT =
  '{"time": "2027-01-31T18:00:00Z", "value": "-----BEGIN SSH SIGNATURE-----..."}, as `ssh-keygen -Y sign` prints it';

/** Whether a value has the form of a signature; whose it is has still to be seen. */
export function isSignature(value: unknown): value is RequestSignature {
  if (typeof value !== 'object' || value === null) return false;
  const { time, value: armored, ...others } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(others).length > 0 || !isInstant(time) || typeof armored !== 'string') return false;
  return (
    armored.length <= MAX_SIGNATURE &&
    /^-----BEGIN SSH SIGNATURE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END SSH SIGNATURE-----\s*$/.test(armored)
  );
}
