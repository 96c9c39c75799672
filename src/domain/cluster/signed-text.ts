/** The text that is signed for a request. */
import { canonicalJson } from '../shared/canonical-json';

/** Version of the form of the text. */
const TEXT_VERSION = 1;

/** What is signed, beside the message itself. */
export interface SignedPlace {
  /** Of Temporal. */
  namespace: string;
  cluster: string;
  /** Name of the command, e.g. `patch`. */
  verb: string;
  /** As in the signature. */
  time: string;
}

/** The text that is signed for `message`, which may have its signature already. */
export function signedText({ namespace, cluster, verb, time }: SignedPlace, message: object): string {
  const { requestId, ...others } = message as Readonly<Record<string, unknown>>;
  const args = { ...others, signature: undefined };
  return canonicalJson({ version: TEXT_VERSION, namespace, cluster, verb, time, requestId, arguments: args });
}
