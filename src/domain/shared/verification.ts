/** What is known of the sender of a request, and how he is called in sentences. */

/** What a worker has found out about the sender of a message. */
export interface Verification {
  /**
   * The request was signed, and `by` is the principal to whom the worker's list of signers gives the key. `false`: the sender
   * is called as he calls himself. Absent: the worker has no list of signers.
   */
  verified?: boolean;
}

const MARK = /\s*\(\s*(un)?verified\s*\)/gi;

/** With whether a worker has verified him, where workers do: `ann (verified)`. */
export function senderText({ by, verified }: { by: string } & Verification): string {
  if (verified === undefined) return by;
  return `${by} (${verified ? 'verified' : 'unverified'})`;
}

/** Whoever calls himself verified is not. */
export function withoutMark(by: string): string {
  return by.replace(MARK, '').trim();
}
