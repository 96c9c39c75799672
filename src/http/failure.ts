/** Why a call over HTTP has no usable answer. */

export type HttpFailureKind =
  /** The call itself: the address, a header. Repeating it is of no use. */
  | 'input'
  /** The host name cannot be resolved. */
  | 'name'
  /** The policy of the worker does not allow the address. */
  | 'denied'
  /** No connection, or a connection that broke. */
  | 'connection'
  /** The certificate of the server, or another fault of TLS. */
  | 'tls'
  | 'timeout'
  /** The answer redirects to another server. */
  | 'redirect'
  /** The answer is larger than the limit, or no text. */
  | 'answer';

const TRANSIENT: ReadonlySet<HttpFailureKind> = new Set<HttpFailureKind>(['name', 'connection', 'tls', 'timeout']);

/**
 * The message is one clause with the server (`hooks.example.com:443`) as its subject. Neither path nor query nor headers appear in it,
 * since they may be secrets.
 */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly kind: HttpFailureKind,
    message: string,
    /** The next step for the user. */
    readonly remedy?: string,
  ) {
    super(message);
  }

  /** Whether a later call may succeed without any change of settings. */
  get isTransient(): boolean {
    return TRANSIENT.has(this.kind);
  }
}

export function isHttpFailure(error: unknown): error is HttpFailure {
  return error instanceof HttpFailure;
}
